"""The four records published wrongly, in sixty ways: each has its status, its words and a sentence to act on."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dnsrecords.checking import check
from dnsrecords.judging.judge import judge
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.mistakes import MISTAKES, Mistake, facts_of, record_of, required, zone_lines
from tests.dnsrecords.zonelookups import lookup_in

if TYPE_CHECKING:
    from tests.rig.nameserver import Nameserver

#: Words that tell an operator to do something.
ACTIONS = re.compile(
    r"\b(add|replace|delete|keep|enter|write|change|correct|paste|publish|remove|give|put|retype|rotate|go on|merge)\b",
    re.IGNORECASE,
)


def verdict(record_id: str, mistake: Mistake | None, domain: str = "example.com") -> Verdict:
    facts = facts_of(domain)
    lookup = lookup_in(zone_lines(facts, mistake), facts.domain)
    record = record_of(facts, record_id)
    return judge(record, facts, lookup(*record.question), lookup)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_has_its_status_its_words_and_an_action(mistake: Mistake) -> None:
    facts, outcome = facts_of(), verdict(mistake.record_id, mistake)
    assert outcome.status is mistake.status, outcome
    for words in mistake.words:
        assert words.format(domain=facts.domain, hostname=facts.hostname) in outcome.message
    assert ACTIONS.search(outcome.message), outcome.message
    assert outcome.message.endswith(".")


@pytest.mark.slow
def test_the_other_records_stay_right() -> None:
    for mistake in MISTAKES:
        others = {"mx", "spf", "dkim", "dmarc"} - {mistake.record_id}
        if mistake.record_id == "mx":  # which SPF speaks of
            others.discard("spf")
        assert {record_id for record_id in others if not verdict(record_id, mistake).ok} == set(), (
            mistake.name
        )


def test_published_as_they_are_given_all_four_are_right() -> None:
    for record in required(facts_of()):
        outcome = verdict(record.id, None)
        assert (outcome.status, outcome.message) == (Status.OK, "")


@pytest.mark.slow
def test_no_two_mistakes_are_alike_and_hardly_two_sentences() -> None:
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES) > 20
    assert len({verdict(mistake.record_id, mistake).message for mistake in MISTAKES}) > len(MISTAKES) * 0.8


# --- on a real name server ---------------------------------------------------------------------------------
def looked_up(server: Nameserver, domain: str, mistake: Mistake | None) -> dict[str, Verdict]:
    """Record id → verdict, for a zone with this mistake on the server; only the required records are published."""
    facts = facts_of(domain)
    server.publish(domain, zone_lines(facts, mistake))
    return {result.record.id: result.verdict for result in check.look(replace(facts, addresses=()))}


@pytest.mark.real
def test_in_a_real_zone_each_mistake_has_the_same_sentence(nameserver: Nameserver) -> None:
    for number, mistake in enumerate(MISTAKES):
        domain = f"wrong{number}.test"
        real = looked_up(nameserver, domain, mistake)[mistake.record_id]
        assert real.status is mistake.status, (mistake.name, real)
        for words in mistake.words:
            assert words.format(domain=domain, hostname=f"mail.{domain}") in real.message, mistake.name


@pytest.mark.real
def test_in_a_real_zone_all_four_pasted_are_right(nameserver: Nameserver) -> None:
    verdicts = looked_up(nameserver, "right.test", None)
    four = [record.id for record in required(facts_of("right.test"))]
    assert {record_id: verdicts[record_id].status for record_id in four} == dict.fromkeys(four, Status.OK)
    assert verdicts["srv_imaps"].status is Status.MISSING


@pytest.mark.real
def test_a_signed_zone_is_no_different(nameserver: Nameserver) -> None:
    facts = facts_of("signed.test")
    nameserver.publish("signed.test", zone_lines(facts, None), signed=True)
    results = check.look(facts)
    assert {result.verdict.status for result in results if result.record.required} == {Status.OK}


@pytest.mark.real
def test_a_zone_that_nobody_has_is_an_error_with_a_sentence(nameserver: Nameserver) -> None:
    results = check.look(facts_of("nobody.test"))
    assert {result.verdict.status for result in results if result.record.required} == {Status.ERROR}
    assert all(result.verdict.message.endswith(".") for result in results)


@pytest.mark.real
def test_an_unregistered_domain_is_missing_and_says_so(nameserver: Nameserver) -> None:
    nameserver.publish("parent.test", ["www A 192.0.2.1"])
    verdicts = {result.record.id: result.verdict for result in check.look(facts_of("gone.parent.test"))}
    assert verdicts["mx"].status is Status.MISSING
    assert "does not exist in DNS: its zone, parent.test," in verdicts["mx"].message
    assert "registrar" not in verdicts["mx"].message
