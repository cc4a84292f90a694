"""One verdict per record: over all name servers, over all kinds of records."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnsrecords import faults
from dnsrecords.answers import Answer, Outcome, ServerAnswer
from dnsrecords.judging.judge import Judgement, judge, questions
from dnsrecords.kinds.registry import wanted
from dnsrecords.records.facts import Facts
from dnsrecords.records.record import Record
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.mistakes import facts_of, key_pair, record_line, record_of, zone_lines
from tests.dnsrecords.zonelookups import lookup_in, nothing

FACTS = facts_of()
FULL = replace(
    FACTS, addresses=("192.0.2.1", "2001:db8::1"), autoconfig=True, mta_sts="7", signed=True,
    tlsa=("3 1 1 " + "ab" * 32,), extra_keys=(("q2", key_pair(2)[0]),),
)  # fmt: skip
LOOKUP = lookup_in(zone_lines(FACTS), "example.com")
DMARC = record_of(FACTS, "dmarc")
RIGHT, WEAK = (DMARC.value,), ("v=DMARC1; p=none",)


def answer_of(*servers: ServerAnswer) -> Answer:
    found = next((each for each in servers if each.values), servers[0])
    return Answer(DMARC.name, "TXT", found.outcome, found.values, found.ttl, servers=servers)


def says(
    number: int, values: tuple[str, ...] = RIGHT, outcome: Outcome | None = None, ttl: int = 2790
) -> ServerAnswer:
    outcome = outcome or (Outcome.FOUND if values else Outcome.NXDOMAIN)
    return ServerAnswer(f"ns{number}.example.net", "192.0.2.53", outcome, values, ttl)


def silent(number: int, outcome: Outcome = Outcome.TIMEOUT) -> ServerAnswer:
    return says(number, (), outcome)


def verdict(*servers: ServerAnswer) -> Verdict:
    return judge(DMARC, FACTS, answer_of(*servers), LOOKUP)


# --- every kind of record ----------------------------------------------------------------------------------
@pytest.mark.parametrize("record", wanted(FULL), ids=lambda each: each.id)
def test_a_record_that_is_published_as_it_is_given_is_right(record: Record) -> None:
    # The pointers are in zones of their own.
    lines = [record_line(each) for each in wanted(FULL) if each.type != "PTR"]
    lookup = lookup_in(lines, "example.com")
    value = record.value.rstrip(".") if record.type != "TXT" else record.value
    answer = Answer(record.name, record.type, Outcome.FOUND, (value,), 300)
    assert judge(record, FULL, answer, lookup) == Verdict(Status.OK, found=(value,))


@pytest.mark.parametrize("record", wanted(FULL), ids=lambda each: each.id)
def test_a_record_that_is_not_there_is_missing(record: Record) -> None:
    found = judge(record, FULL, nothing(record.name, record.type), nothing)
    assert found.status is Status.MISSING
    assert found.message


@pytest.mark.parametrize("outcome", [each for each in Outcome if faults.failed(each)])
@pytest.mark.parametrize("record", wanted(FULL), ids=lambda each: each.id)
def test_a_record_that_could_not_be_looked_up_is_in_error(record: Record, outcome: Outcome) -> None:
    found = judge(record, FULL, Answer(record.name, record.type, outcome), nothing)
    assert found.status is Status.ERROR
    assert record.name in found.message


def test_what_is_not_known_yet_is_not_checked() -> None:
    bare = Facts("example.com", "")
    for record_id in ("mx", "dkim"):
        record = record_of(bare, record_id)
        found = judge(record, bare, nothing(record.name, record.type), nothing)
        assert found.status is Status.UNCHECKED
        assert found.message


def test_a_domain_that_does_not_exist_is_said_to() -> None:
    for record in wanted(FACTS)[:2]:
        message = judge(record, FACTS, nothing(record.name, record.type), nothing).message
        assert "example.com does not exist in DNS" in message


# --- several name servers ----------------------------------------------------------------------------------
def test_servers_that_agree_speak_with_one_voice() -> None:
    assert verdict(says(1), says(2)) == Verdict(Status.OK, found=RIGHT)
    assert verdict(says(1, WEAK), says(2, WEAK)).message.startswith("The policy p=none")
    assert verdict(says(1, ()), says(2, ())).status is Status.MISSING


def test_the_order_of_values_is_no_difference() -> None:
    assert verdict(says(1, (*RIGHT, "hello")), says(2, ("hello", *RIGHT))) == Verdict(Status.OK, found=RIGHT)


def test_a_record_that_is_not_everywhere_yet_is_not_right_yet() -> None:
    found = verdict(says(1), says(2), says(3, ()), says(4, ()))
    assert found.status is Status.MISSING
    assert "seen on 2 of 4 name servers, the rest within 47 min by their TTL" in found.message
    assert "ns3.example.net and ns4.example.net" in found.message


def test_an_old_value_that_is_still_there_is_a_mismatch() -> None:
    found = verdict(says(1), says(2, WEAK))
    assert (found.status, found.found) == (Status.MISMATCH, WEAK)
    assert "seen on 1 of 2 name servers" in found.message


def test_a_server_that_fails_does_not_spoil_what_the_others_say() -> None:
    found = verdict(says(1), silent(2), silent(3, Outcome.LAME))
    assert found.ok
    assert "ns2.example.net and ns3.example.net did not answer (timeout, lame)" in found.message
    assert verdict(says(1, ()), silent(2)).status is Status.MISSING


def test_servers_that_all_fail_are_an_error() -> None:
    assert verdict(silent(1), silent(2)).status is Status.ERROR


def test_servers_that_are_wrong_in_different_ways_are_said_to_disagree() -> None:
    found = verdict(says(1, WEAK), says(2, ()))
    assert not found.ok
    assert found.message.startswith("The name servers of the zone do not say the same.")


def test_values_can_be_judged_alone() -> None:
    good = Judgement(DMARC, FACTS, answer_of(says(1)), LOOKUP).is_right
    assert good(RIGHT)
    assert not good(WEAK)
    assert not good(())


# --- questions ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("record", wanted(FULL), ids=lambda each: each.id)
@pytest.mark.parametrize("published", [True, False])
def test_nothing_is_asked_that_was_not_announced(record: Record, published: bool) -> None:
    lines = [
        record_line(each)
        for each in wanted(FULL)
        if each.type != "PTR" and (published or each.type in "AAAA")
    ]
    zone = lookup_in(lines, "example.com")
    answer = (
        zone(record.name, record.type)
        if record.type != "PTR"
        else Answer(record.name, "PTR", Outcome.NXDOMAIN)
    )
    announced = {record.question, *questions(record, FULL, answer)}
    asked: set[tuple[str, str]] = set()

    def lookup(name: str, type_: str) -> Answer:
        asked.add((name, type_))
        return zone(name, type_)

    judge(record, FULL, answer, lookup)
    assert asked <= announced
