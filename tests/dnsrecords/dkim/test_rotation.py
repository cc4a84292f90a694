"""A DKIM key takes over when its record is everywhere, and not before; and goes when no mail needs it any more."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from dnsrecords.checking.results import Result, published_keys
from dnsrecords.dkim import probe, rotation
from dnsrecords.kinds.dkim import key_record
from dnsrecords.kinds.registry import wanted
from dnsrecords.records.facts import Facts
from dnsrecords.verdicts import Status, Verdict
from mailboxes.dkim import keys as dkim
from mailboxes.dkim import rotation as dkimrotation
from mailboxes.models import Domain
from mailboxes.provisioning import facade as provisioning
from mailrelay.models import Message, RelaySettings

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain() -> Domain:
    """One whose next key waits."""
    row = provisioning.add_domain("example.com")
    return dkimrotation.begin(row.pk)


def found(
    domain: Domain, status: Status = Status.OK, *, everywhere: bool = True, text: str = ""
) -> list[Result]:
    """What a look at DNS had for the next key's record."""
    record = next(
        each for each in wanted(Facts.for_domain(domain)) if each.id == f"dkim_{domain.dkim_next_selector}"
    )
    return [Result(record, Verdict(status, "", (text or record.value,)), everywhere=everywhere)]


def signing(domain: Domain) -> str:
    return Domain.objects.get(pk=domain.pk).dkim_selector


def test_both_records_are_to_be_published_meanwhile(domain: Domain) -> None:
    names = [each.name for each in wanted(Facts.for_domain(domain)) if "_domainkey" in each.name]
    assert names == ["quazzar._domainkey.example.com", f"{domain.dkim_next_selector}._domainkey.example.com"]


@pytest.mark.parametrize("status", [Status.MISSING, Status.MISMATCH, Status.ERROR, Status.UNCHECKED])
def test_unpublished_it_does_not_sign(domain: Domain, status: Status) -> None:
    assert not rotation.advance(domain, published_keys(found(domain, status)))
    assert signing(domain) == "quazzar"


def test_published_on_some_servers_only_it_does_not_sign(domain: Domain) -> None:
    assert not rotation.advance(domain, published_keys(found(domain, everywhere=False)))
    assert signing(domain) == "quazzar"


def test_published_everywhere_it_signs(domain: Domain) -> None:
    assert rotation.advance(domain, published_keys(found(domain)))
    assert signing(domain) == domain.dkim_next_selector


def test_a_probe_has_to_verify_by_what_is_published(domain: Domain) -> None:
    other = key_record(dkim.generate().public_base64)
    assert not rotation.advance(domain, published_keys(found(domain, text=other)))
    assert signing(domain) == "quazzar"


def test_without_a_rotation_there_is_nothing_to_do() -> None:
    row = provisioning.add_domain("example.org")
    assert not rotation.advance(row, published_keys([]))
    assert rotation.of(row) == rotation.Rotation("none", "quazzar")


def test_each_state_says_what_to_do(domain: Domain) -> None:
    pending = rotation.of(domain)
    assert (pending.state, pending.other) == ("pending", domain.dkim_next_selector)
    assert pending.message.startswith("Publish the TXT record")
    rotation.advance(domain, published_keys(found(domain)))
    retiring = rotation.of(Domain.objects.get())
    assert (retiring.state, retiring.other) == ("retiring", "quazzar")
    assert (
        retiring.keep_until and retiring.since and retiring.keep_until - retiring.since == rotation.KEEP_OLD
    )


def test_the_old_key_goes_when_its_time_is_over_and_the_operator_hears(
    domain: Domain, relay: RelaySettings
) -> None:
    from dnsrecords.checking import alerts

    relay.alert_recipients = ["ops@example.net"]
    relay.save()
    rotation.advance(domain, published_keys(found(domain)))
    assert rotation.retire_due() == []
    Domain.objects.update(dkim_rotated_at=timezone.now() - rotation.KEEP_OLD - timedelta(seconds=1))
    keys = rotation.retire_due()
    assert keys == [("example.com", "quazzar")]
    alerts.tell_retired(keys)
    assert "may be deleted" in Message.objects.get().subject
    assert rotation.of(Domain.objects.get()).state == "none"


# --- the probe ---------------------------------------------------------------------------------------------
def test_a_signature_verifies_by_its_own_record_alone() -> None:
    one, other = dkim.generate(), dkim.generate()
    value = key_record(one.public_base64)
    assert probe.verifies(one.private_pem, "example.com", "s", value)
    assert not probe.verifies(other.private_pem, "example.com", "s", value)


@pytest.mark.parametrize("text", ["", "v=DKIM1; k=rsa; p=", "v=DKIM1; p=!!", "rubbish", "caf\xe9"])
def test_rubbish_verifies_nothing(text: str) -> None:
    assert not probe.verifies(dkim.generate().private_pem, "example.com", "s", text)
