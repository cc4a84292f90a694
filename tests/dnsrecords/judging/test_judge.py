"""One verdict per record: over all name servers, for every kind of record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from dnsrecords.answers import Answer, Lookup, Outcome, ServerAnswer
from dnsrecords.judging.judge import Judgement, judge, questions
from dnsrecords.kinds.registry import wanted
from dnsrecords.records.facts import Facts
from dnsrecords.records.record import Record
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.mistakes import facts_of, key_pair, record_line, record_of, zone_lines
from tests.dnsrecords.zonelookups import lookup_in, nothing

FACTS = facts_of()
FULL = replace(
    FACTS,
    addresses=("192.0.2.1",),
    autoconfig=True,
    mta_sts="7",
    signed=True,
    tlsa=("3 1 1 " + "ab" * 32,),
    extra_keys=(("q2", key_pair(2)[0]),),
)
LOOKUP = lookup_in(zone_lines(FACTS), "example.com")
DMARC = record_of(FACTS, "dmarc")
RIGHT, WEAK = (DMARC.value,), ("v=DMARC1; p=none",)


def zone_of(is_published: Callable[[Record], bool]) -> Lookup:
    """A zone that holds some of the records; the pointers are in zones of their own."""
    records = [record for record in wanted(FULL) if record.type != "PTR" and is_published(record)]
    return lookup_in(map(record_line, records), "example.com")


def says(
    number: int, values: tuple[str, ...] = RIGHT, outcome: Outcome | None = None, ttl: int = 2790
) -> ServerAnswer:
    outcome = outcome or (Outcome.FOUND if values else Outcome.NXDOMAIN)
    return ServerAnswer(f"ns{number}.example.net", "192.0.2.53", outcome, values, ttl)


def silent(number: int, outcome: Outcome = Outcome.TIMEOUT) -> ServerAnswer:
    return says(number, (), outcome)


def answer_of(*servers: ServerAnswer) -> Answer:
    main = next((server for server in servers if server.values), servers[0])
    return Answer(DMARC.name, "TXT", main.outcome, main.values, main.ttl, servers=servers)


def verdict(*servers: ServerAnswer) -> Verdict:
    return judge(DMARC, FACTS, answer_of(*servers), LOOKUP)


# --- every kind of record ----------------------------------------------------------------------------------
def test_every_record_that_is_published_as_it_is_given_is_right() -> None:
    lookup = zone_of(lambda _: True)
    for record in wanted(FULL):
        value = record.value.rstrip(".") if record.type != "TXT" else record.value
        answer = Answer(*record.question, Outcome.FOUND, (value,), 300)
        assert judge(record, FULL, answer, lookup) == Verdict(Status.OK, found=(value,)), record.id


def test_every_record_that_is_not_there_is_missing_and_has_a_sentence() -> None:
    for record in wanted(FULL):
        missing = judge(record, FULL, nothing(*record.question), nothing)
        assert missing.status is Status.MISSING, record.id
        assert missing.message.endswith("."), record.id


def test_every_record_that_could_not_be_looked_up_is_in_error() -> None:
    for record in wanted(FULL):
        failed = judge(record, FULL, Answer(*record.question, Outcome.SERVFAIL), nothing)
        assert failed.status is Status.ERROR, record.id
        assert record.name in failed.message, record.id


@pytest.mark.parametrize("published", [True, False])
def test_nothing_is_looked_up_that_was_not_announced(published: bool) -> None:
    zone = zone_of(lambda record: published or record.type in ("A", "AAAA"))
    for record in wanted(FULL):
        looked_up: set[tuple[str, str]] = set()

        def lookup(name: str, type_: str, seen: set[tuple[str, str]] = looked_up) -> Answer:
            seen.add((name, type_))
            return zone(name, type_)

        answer = zone(*record.question) if record.type != "PTR" else nothing(*record.question)
        judge(record, FULL, answer, lookup)
        assert looked_up <= {record.question, *questions(record, FULL, answer)}, record.id


def test_what_is_not_known_yet_is_not_checked() -> None:
    bare = Facts("example.com", "")
    for record_id in ("mx", "dkim"):
        record = record_of(bare, record_id)
        unchecked = judge(record, bare, nothing(*record.question), nothing)
        assert unchecked.status is Status.UNCHECKED
        assert unchecked.message


def test_a_domain_that_does_not_exist_is_said_to() -> None:
    for record_id in ("mx", "spf"):
        record = record_of(FACTS, record_id)
        message = judge(record, FACTS, nothing(*record.question), nothing).message
        assert "example.com does not exist in DNS" in message


# --- several name servers ----------------------------------------------------------------------------------
def test_servers_that_agree_speak_with_one_voice() -> None:
    assert verdict(says(1), says(2)) == Verdict(Status.OK, found=RIGHT)
    assert verdict(says(1, WEAK), says(2, WEAK)).message.startswith("The policy p=none")
    assert verdict(says(1, ()), says(2, ())).status is Status.MISSING


def test_the_order_of_values_is_no_difference() -> None:
    assert verdict(says(1, (*RIGHT, "hello")), says(2, ("hello", *RIGHT))) == Verdict(Status.OK, found=RIGHT)


def test_a_record_that_is_not_everywhere_yet_is_not_right_yet() -> None:
    late = verdict(says(1), says(2), says(3, ()), says(4, ()))
    assert late.status is Status.MISSING
    assert "seen on 2 of 4 name servers, the rest within 47 min by their TTL" in late.message
    assert "ns3.example.net and ns4.example.net" in late.message


def test_an_old_value_that_is_still_there_is_a_mismatch() -> None:
    late = verdict(says(1), says(2, WEAK))
    assert (late.status, late.found) == (Status.MISMATCH, WEAK)
    assert "seen on 1 of 2 name servers" in late.message


def test_a_server_that_fails_does_not_spoil_what_the_others_say() -> None:
    right = verdict(says(1), silent(2), silent(3, Outcome.LAME))
    assert right.ok
    assert "but ns2.example.net did not answer, and ns3.example.net does not have the zone." in right.message
    unasked = verdict(says(1), silent(2, Outcome.UNASKED))
    assert (unasked.ok, unasked.message) == (True, "")
    assert verdict(says(1, ()), silent(2)).status is Status.MISSING


def test_a_record_whose_signature_is_broken_is_an_error_though_every_server_has_it() -> None:
    answer = replace(answer_of(says(1), says(2)), outcome=Outcome.SERVFAIL, values=())
    broken = judge(DMARC, FACTS, answer, LOOKUP)
    assert broken.status is Status.ERROR and "DNSSEC" in broken.message


def test_servers_that_all_fail_are_an_error() -> None:
    assert verdict(silent(1), silent(2)).status is Status.ERROR


def test_servers_that_are_wrong_in_different_ways_are_said_to_disagree() -> None:
    wrong = verdict(says(1, WEAK), says(2, ()))
    assert not wrong.ok
    assert wrong.message.startswith("The name servers of the zone disagree.")


def test_values_can_be_judged_alone() -> None:
    judgement = Judgement(DMARC, FACTS, answer_of(says(1)), LOOKUP)
    assert judgement.is_right(RIGHT)
    assert not judgement.is_right(WEAK)
    assert not judgement.is_right(())


def test_each_set_of_values_is_judged_once() -> None:
    looked_up: list[tuple[str, str]] = []
    value = "v=DMARC1; p=quarantine; rua=mailto:a@reports.example"

    def lookup(name: str, type_: str) -> Answer:
        looked_up.append((name, type_))
        return nothing(name, type_)

    judgement = Judgement(DMARC, FACTS, answer_of(says(1, (value,)), says(2, (value,))), lookup)
    assert judgement.is_right((value,))
    assert len(looked_up) == len(set(looked_up))
