"""One answer out of those of several name servers."""

from __future__ import annotations

from dnsrecords.answers import Answer, Outcome
from dnsrecords.lookup.majority import FromServer, agreed

NAME = "example.com"
USUAL = Answer(NAME, "TXT", Outcome.FOUND, ("cached",), 5, authenticated=True)


def says(*values: str, outcome: Outcome = Outcome.FOUND, ttl: int = 300, cname: str = "") -> Answer:
    return Answer(NAME, "TXT", outcome, values, ttl, cname)


def by(*answers: Answer) -> list[FromServer]:
    return [(f"ns{number}", f"192.0.2.{number}", answer) for number, answer in enumerate(answers)]


def test_most_of_them_win_and_each_is_kept() -> None:
    answer = agreed(by(says("old"), says("b", "a"), says("a", "b", ttl=60)), USUAL)
    assert (answer.values, answer.ttl) == (("b", "a"), 300)
    assert [(server.server, server.values, server.ttl) for server in answer.servers] == [
        ("ns0", ("old",), 300),
        ("ns1", ("b", "a"), 300),
        ("ns2", ("a", "b"), 60),
    ]


def test_those_who_fail_have_no_vote() -> None:
    ill = says(outcome=Outcome.SERVFAIL)
    answer = agreed(by(ill, ill, says("one")), USUAL)
    assert answer.values == ("one",)
    assert [server.outcome for server in answer.servers] == [
        Outcome.SERVFAIL,
        Outcome.SERVFAIL,
        Outcome.FOUND,
    ]


def test_nothing_is_an_answer_too() -> None:
    gone = says(outcome=Outcome.NXDOMAIN)
    assert agreed(by(gone, gone, says("one")), USUAL).outcome is Outcome.NXDOMAIN


def test_without_any_of_them_the_resolvers_count() -> None:
    assert agreed([], USUAL) is USUAL
    assert agreed(by(says(outcome=Outcome.TIMEOUT)), USUAL) is USUAL


def test_what_is_signed_only_a_resolver_knows() -> None:
    assert agreed(by(says("one")), USUAL).authenticated


def test_behind_an_alias_is_what_the_world_sees_there() -> None:
    alias = says(outcome=Outcome.NO_DATA, cname="key.example.net")
    answer = agreed(by(alias, says(outcome=Outcome.REFUSED)), USUAL)
    assert (answer.values, answer.cname) == (("cached",), "key.example.net")
    assert [server.values for server in answer.servers] == [("cached",), ()]


def test_an_alias_to_what_fails_is_a_failure() -> None:
    alias = says(outcome=Outcome.NO_DATA, cname="key.example.net")
    answer = agreed(by(alias), Answer(NAME, "TXT", Outcome.SERVFAIL))
    assert answer.outcome is Outcome.SERVFAIL
    assert [server.outcome for server in answer.servers] == [Outcome.SERVFAIL]
