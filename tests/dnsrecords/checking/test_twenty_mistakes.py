"""The four records published wrongly, in more than twenty ways: each has its status and a sentence to act on."""

from __future__ import annotations

import re

import pytest

from dnsrecords.judging.judge import judge
from dnsrecords.verdicts import Status, Verdict
from tests.dnsrecords.mistakes import MISTAKES, Mistake, facts_of, record_of, required, zone_lines
from tests.dnsrecords.zonelookups import lookup_in

#: What tells an operator to do something.
ACTIONS = re.compile(
    r"\b(add|replace|delete|keep|enter|write|change|correct|paste|publish|remove|give|put|type|rotate|go on|merge)\b",
    re.IGNORECASE,
)


def verdict(record_id: str, mistake: Mistake | None) -> Verdict:
    facts = facts_of()
    lookup = lookup_in(zone_lines(facts, mistake), facts.domain)
    record = record_of(facts, record_id)
    return judge(record, facts, lookup(record.name, record.type), lookup)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: each.name)
def test_a_mistake_has_its_status_and_its_words(mistake: Mistake) -> None:
    facts, found = facts_of(), verdict(mistake.record_id, mistake)
    assert found.status is mistake.status, found
    for words in mistake.words:
        assert words.format(domain=facts.domain, hostname=facts.hostname) in found.message


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: each.name)
def test_the_sentence_says_what_to_do(mistake: Mistake) -> None:
    message = verdict(mistake.record_id, mistake).message
    assert ACTIONS.search(message), message
    assert message.endswith(".")


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: each.name)
def test_the_other_records_stay_right(mistake: Mistake) -> None:
    # Without the right MX record, its mechanism in SPF authorises nobody.
    others = (
        {"spf", "dkim", "dmarc", "mx"}
        - {mistake.record_id}
        - ({"spf"} if mistake.record_id == "mx" else set())
    )
    assert {verdict(each, mistake).status for each in others} == {Status.OK}


def test_there_are_more_than_twenty_and_no_two_alike() -> None:
    assert len({each.name for each in MISTAKES}) == len(MISTAKES) > 20


def test_every_sentence_is_another() -> None:
    assert len({verdict(each.record_id, each).message for each in MISTAKES}) > len(MISTAKES) * 0.8


def test_published_as_they_are_all_four_are_right() -> None:
    found = {each.id: verdict(each.id, None) for each in required(facts_of())}
    assert {each.status for each in found.values()} == {Status.OK}
    assert not any(each.message for each in found.values()), found
