"""The same mistakes in a real zone on a real name server: looked up and judged as the product does it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from dnsrecords.checking import check
from dnsrecords.verdicts import Status
from tests.dnsrecords.mistakes import MISTAKES, Mistake, facts_of, required, zone_lines

if TYPE_CHECKING:
    from dnsrecords.checking.results import Result
    from tests.rig.nameserver import Nameserver

pytestmark = pytest.mark.real


def looked_up(server: Nameserver, domain: str, mistake: Mistake | None) -> dict[str, Result]:
    """Record id → result, for a zone with this mistake."""
    facts = facts_of(domain)
    server.publish(domain, zone_lines(facts, mistake))
    # Only the required ones are published.
    return {each.record.id: each for each in check.look(replace(facts, addresses=()))}


def test_all_four_pasted_are_right(nameserver: Nameserver) -> None:
    found = looked_up(nameserver, "right.test", None)
    four = [record.id for record in required(facts_of("right.test"))]
    assert {record: found[record].verdict.status for record in four} == dict.fromkeys(four, Status.OK)
    assert found["srv_imaps"].verdict.status is Status.MISSING


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda each: each.name)
def test_a_mistake_has_its_status_and_its_words(nameserver: Nameserver, mistake: Mistake) -> None:
    domain = f"wrong{MISTAKES.index(mistake)}.test"
    found = looked_up(nameserver, domain, mistake)[mistake.record_id].verdict
    assert found.status is mistake.status, found
    for words in mistake.words:
        assert words.format(domain=domain, hostname=f"mail.{domain}") in found.message


def test_a_signed_zone_is_no_different(nameserver: Nameserver) -> None:
    facts = facts_of("signed.test")
    nameserver.publish("signed.test", zone_lines(facts, None), signed=True)
    found = {each.record.id: each.verdict.status for each in check.look(facts)}
    assert {found[each] for each in ("mx", "spf", "dkim", "dmarc")} == {Status.OK}


def test_a_zone_that_nobody_has_is_an_error_with_a_sentence(nameserver: Nameserver) -> None:
    found = check.look(facts_of("nobody.test"))
    assert {each.verdict.status for each in found if each.record.required} == {Status.ERROR}
    assert all(each.verdict.message.endswith(".") for each in found)


def test_an_unregistered_domain_is_missing_and_says_so(nameserver: Nameserver) -> None:
    nameserver.publish("parent.test", ["www A 192.0.2.1"])
    found = {each.record.id: each.verdict for each in check.look(facts_of("gone.parent.test"))}
    assert found["mx"].status is Status.MISSING
    assert "does not exist in DNS" in found["mx"].message
