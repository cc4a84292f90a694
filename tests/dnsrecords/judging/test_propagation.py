"""How far a change has spread."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsrecords.answers import Outcome, ServerAnswer
from dnsrecords.judging import propagation
from dnsrecords.judging.propagation import Propagation


def server(value: str, ttl: int | None = 300, outcome: Outcome = Outcome.FOUND) -> ServerAnswer:
    return ServerAnswer("ns", "192.0.2.53", outcome, (value,) if value else (), ttl)


def seen(*servers: ServerAnswer) -> Propagation:
    return propagation.seen(servers, lambda values: values == ("new",))


NEW, OLD = server("new"), server("old", 2790)
SILENT = server("", None, Outcome.TIMEOUT)


@pytest.mark.parametrize(
    ("servers", "sentence"),
    [
        (
            [NEW, NEW, OLD, server("", 60, Outcome.NXDOMAIN)],
            "seen on 2 of 4 name servers, the rest within 47 min by their TTL",
        ),
        ([NEW, NEW], "seen on all 2 name servers"),
        ([NEW], "seen on the only name server"),
        ([OLD], "seen on 0 of 1 name servers, the rest within 47 min by their TTL"),
        ([NEW, SILENT], "seen on 1 of 2 name servers, 1 did not answer"),
        (
            [NEW, OLD, SILENT],
            "seen on 1 of 3 name servers, the rest within 47 min by their TTL, 1 did not answer",
        ),
        ([NEW, server("old", None)], "seen on 1 of 2 name servers"),
        ([], "not checked anywhere: there are no name servers to ask"),
    ],
)
def test_how_far_it_has_got_is_said_in_a_sentence(servers: list[ServerAnswer], sentence: str) -> None:
    assert seen(*servers).sentence() == sentence


def test_the_longest_time_to_live_of_those_that_lag_counts() -> None:
    assert seen(server("new", 9000), server("a", 10), server("b", 20), SILENT).worst_ttl == 20


def test_resolvers_are_counted_in_the_same_way() -> None:
    assert seen(NEW, OLD).sentence("resolvers").startswith("seen on 1 of 2 resolvers")


def test_the_rest_is_awaited_for_a_minute_at_least() -> None:
    assert "the rest within 1 min by" in seen(NEW, server("old", 5)).sentence()


@given(st.lists(st.sampled_from([NEW, OLD, SILENT, server("", 5, Outcome.NO_DATA)]), max_size=8))
def test_the_numbers_add_up(servers: list[ServerAnswer]) -> None:
    progress = seen(*servers)
    assert 0 <= progress.seen + progress.silent <= progress.asked == len(servers)
    assert progress.seen == servers.count(NEW)
    assert progress.complete == (bool(servers) and set(servers) == {NEW})
