"""An Ed25519 key signs beside the RSA key when its record is everywhere, and not before."""

from __future__ import annotations

import pytest

from dnsrecords.checking.results import Result, published_keys
from dnsrecords.dkim import ed25519 as secondkey
from dnsrecords.dkim import probe
from dnsrecords.dkim.ed25519 import SecondKey
from dnsrecords.kinds.dkim import key_record
from dnsrecords.kinds.registry import wanted
from dnsrecords.records.facts import Facts
from dnsrecords.verdicts import Status, Verdict
from mailboxes.dkim import ed25519 as dkimsecond
from mailboxes.dkim import keys as dkim
from mailboxes.dkim import rotation as dkimrotation
from mailboxes.models import Domain
from mailboxes.provisioning import facade as provisioning
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain() -> Domain:
    """One whose Ed25519 key waits."""
    return dkimsecond.begin(provisioning.add_domain("example.com").pk)


def found(
    domain: Domain, status: Status = Status.OK, *, everywhere: bool = True, text: str = ""
) -> list[Result]:
    """What a look at DNS had for the key's record."""
    record = next(
        each for each in wanted(Facts.for_domain(domain)) if each.id == f"dkim_{domain.dkim_ed25519_selector}"
    )
    return [Result(record, Verdict(status, "", (text or record.value,)), everywhere=everywhere)]


def signs(domain: Domain) -> bool:
    return Domain.objects.get(pk=domain.pk).dkim_ed25519_signs


def test_its_record_is_to_be_published_beside_the_other(domain: Domain) -> None:
    keys = [each for each in wanted(Facts.for_domain(domain)) if "_domainkey" in each.name]
    assert [each.name for each in keys] == [
        "quazzar._domainkey.example.com", f"{domain.dkim_ed25519_selector}._domainkey.example.com"
    ]  # fmt: skip
    assert keys[1].value == f"v=DKIM1; k=ed25519; p={domain.dkim_ed25519_public_key}"
    assert keys[1].id == secondkey.of(domain).record and "Ed25519" in keys[1].purpose


@pytest.mark.parametrize("status", [Status.MISSING, Status.MISMATCH, Status.ERROR, Status.UNCHECKED])
def test_unpublished_it_does_not_sign(domain: Domain, status: Status) -> None:
    assert not secondkey.advance(domain, published_keys(found(domain, status)))
    assert not signs(domain)


def test_published_on_some_servers_only_it_does_not_sign(domain: Domain) -> None:
    assert not secondkey.advance(domain, published_keys(found(domain, everywhere=False)))
    assert not signs(domain)


def test_published_everywhere_it_signs(domain: Domain) -> None:
    assert secondkey.advance(domain, published_keys(found(domain)))
    assert signs(domain)
    assert not secondkey.advance(Domain.objects.get(), published_keys(found(domain))), "it did already"


def test_a_probe_has_to_verify_by_what_is_published(domain: Domain) -> None:
    other = key_record(dkim.generate_ed25519().public_base64)
    assert not secondkey.advance(domain, published_keys(found(domain, text=other)))
    assert not signs(domain)


def test_a_key_that_cannot_be_opened_does_not_sign(domain: Domain) -> None:
    factories.spoil(domain, "dkim_ed25519_private_key")
    assert not secondkey.advance(domain, published_keys(found(domain)))
    assert not signs(domain)


def test_given_up_meanwhile_it_does_not_sign(domain: Domain) -> None:
    result = found(domain)
    dkimsecond.remove(domain.pk)
    assert not secondkey.advance(domain, published_keys(result))
    assert not signs(domain)


def test_without_one_there_is_nothing_to_do() -> None:
    row = provisioning.add_domain("example.org")
    assert not secondkey.advance(row, published_keys([]))
    assert secondkey.of(row).state == "off"


def test_each_state_says_what_to_do(domain: Domain) -> None:
    record = f"{domain.dkim_ed25519_selector}._domainkey.example.com"
    pending = secondkey.of(domain)
    assert pending.state == "pending" and pending.message.startswith(f"Publish the TXT record {record}.")
    secondkey.advance(domain, published_keys(found(domain)))
    signing = secondkey.of(Domain.objects.get())
    assert signing.state == "signing" and f"Leave the record {record}" in signing.message
    gone = secondkey.remove(domain)
    assert gone == SecondKey("off", "", gone.message) and gone.message.endswith(f"the TXT record {record}.")
    assert secondkey.of(Domain.objects.get()).state == "off"


def test_a_rotation_of_the_other_key_does_not_touch_it(domain: Domain) -> None:
    secondkey.advance(domain, published_keys(found(domain)))
    selector = dkimrotation.begin(domain.pk).dkim_next_selector
    assert dkimrotation.switch(domain.pk, selector)
    row = Domain.objects.get()
    assert row.dkim_ed25519_signs and row.dkim_ed25519_selector == domain.dkim_ed25519_selector
    names = [each.name for each in wanted(Facts.for_domain(row)) if "_domainkey" in each.name]
    assert len(names) == len(set(names)) == 3


# --- the probe ---------------------------------------------------------------------------------------------
def test_an_ed25519_signature_verifies_by_its_own_record_alone() -> None:
    one, other = dkim.generate_ed25519(), dkim.generate_ed25519()
    value = key_record(one.public_base64)
    assert probe.verifies(one.private_pem, "example.com", "s", value)
    assert not probe.verifies(other.private_pem, "example.com", "s", value)
    assert not probe.verifies(one.private_pem, "example.com", "s", key_record(dkim.generate().public_base64))


@pytest.mark.parametrize("key", ["", "!!", "QUJD", "caf\xe9"])
def test_rubbish_verifies_nothing(key: str) -> None:
    text = f"v=DKIM1; k=ed25519; p={key}"
    assert not probe.verifies(dkim.generate_ed25519().private_pem, "example.com", "s", text)
