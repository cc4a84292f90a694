"""A required record that changes in DNS is noticed at the next turn, and checked then."""

from __future__ import annotations

import pytest
from django.core.cache import cache

from dnsrecords.checking import check, schedule, tripwire
from dnsrecords.models import DomainCheck
from dnsrecords.records.facts import Facts
from mailboxes.models import Domain
from quazzar.models import Finding
from tests.dnsrecords.mistakes import zone_lines
from tests.mailboxes import factories
from tests.rig.nameserver import Nameserver

pytestmark = [pytest.mark.real, pytest.mark.django_db]


@pytest.fixture
def domain(nameserver: Nameserver, monkeypatch: pytest.MonkeyPatch) -> Domain:
    """A domain that is published correctly, and was checked."""
    monkeypatch.setattr(check, "PORT", nameserver.port)
    monkeypatch.setattr(schedule, "ring", lambda task: None)
    factories.stack(hostname="mail.wire.test")
    domain = factories.domain("wire.test")
    nameserver.publish("wire.test", zone_lines(Facts.for_domain(domain), None))
    check.check(domain)
    return domain


def test_a_record_that_is_taken_away_is_noticed_and_so_is_its_return(
    domain: Domain, nameserver: Nameserver
) -> None:
    whole = zone_lines(Facts.for_domain(domain), None)
    assert tripwire.watch() == ["wire.test"]
    assert check.check_due() == 1
    for lines, level in (
        (whole, None),
        ([line for line in whole if " MX " not in line], "failed"),
        (whole, "ok"),
    ):
        nameserver.publish("wire.test", lines)
        assert tripwire.watch() == (["wire.test"] if level else [])
        assert check.check_due() == (1 if level else 0)
        assert level is None or Finding.objects.get(check_name="dns").level == level
    assert tripwire.watch() == []


def test_a_record_that_went_before_the_first_turn_or_while_the_cache_was_lost_is_noticed(
    domain: Domain, nameserver: Nameserver
) -> None:
    whole = zone_lines(Facts.for_domain(domain), None)
    for lines, level in (([line for line in whole if " MX " not in line], "failed"), (whole, "ok")):
        cache.clear()
        nameserver.publish("wire.test", lines)
        assert tripwire.watch() == ["wire.test"]
        assert check.check_due() == 1
        assert Finding.objects.get(check_name="dns").level == level
        assert tripwire.watch() == []


def test_nobody_is_asked_for_a_domain_that_was_never_looked_up(domain: Domain) -> None:
    DomainCheck.objects.update(checked_at=None)
    assert tripwire.watch() == []


def test_many_domains_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tripwire, "MOST", 2)
    many = [Domain(name=name) for name in "abc"]
    turns = ["".join(domain.name for domain in tripwire.whose_turn(many, number)) for number in range(4)]
    assert turns == ["ab", "ca", "bc", "ab"]
    assert tripwire.whose_turn(many[:2], 1) == many[:2]
