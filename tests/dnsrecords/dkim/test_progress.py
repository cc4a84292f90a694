"""A DKIM key signs when its record is everywhere, and not before; it goes when no mail needs it any more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from dnsrecords.checking import alerts
from dnsrecords.checking.results import Result, published_keys
from dnsrecords.dkim import probe, progress
from dnsrecords.kinds.dkim import key_record
from dnsrecords.kinds.registry import wanted
from dnsrecords.records.facts import Facts
from dnsrecords.records.record import Record
from dnsrecords.verdicts import Status, Verdict
from mailboxes.dkim import keys, lifecycle
from mailboxes.models import DkimKey, Domain
from mailboxes.provisioning import domains
from mailrelay.models import Message, RelaySettings
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db

RSA, ED25519 = DkimKey.Algorithm.RSA, DkimKey.Algorithm.ED25519
GENERATE: dict[str, Callable[[], keys.KeyPair]] = {RSA: keys.generate, ED25519: keys.generate_ed25519}


@pytest.fixture
def domain() -> Domain:
    return domains.add_domain("example.com")


@pytest.fixture(params=[RSA, ED25519])
def waiting(request: pytest.FixtureRequest, domain: Domain) -> DkimKey:
    """A key that waits: the next RSA key, or an Ed25519 key."""
    begin: Callable[[int], DkimKey] = (
        lifecycle.begin_rotation if request.param == RSA else lifecycle.add_ed25519
    )
    return begin(domain.pk)


def published(*waiting: DkimKey) -> dict[str, str]:
    """All records of these keys are published correctly."""
    return {key.selector: key_record(key.public_key) for key in waiting}


def signs(key: DkimKey) -> bool:
    return DkimKey.objects.get(pk=key.pk).state == DkimKey.State.SIGNING


def key_records(domain: Domain) -> list[Record]:
    return [record for record in wanted(Facts.for_domain(domain)) if "_domainkey" in record.name]


# --- what is published -------------------------------------------------------------------------------------
def test_the_waiting_keys_record_is_wanted_beside_the_signing_ones(domain: Domain, waiting: DkimKey) -> None:
    first, second = key_records(domain)
    assert (first.id, first.name) == ("dkim", "quazzar._domainkey.example.com")
    assert (second.id, second.name) == (
        f"dkim_{waiting.selector}",
        f"{waiting.selector}._domainkey.example.com",
    )
    assert second.value == f"v=DKIM1; k={waiting.algorithm}; p={waiting.public_key}"


def test_rsa_keys_are_listed_before_the_ed25519_key_whichever_came_first(domain: Domain) -> None:
    ed25519 = lifecycle.add_ed25519(domain.pk)
    rsa = lifecycle.begin_rotation(domain.pk)
    assert [record.id for record in key_records(domain)] == [
        "dkim",
        f"dkim_{rsa.selector}",
        f"dkim_{ed25519.selector}",
    ]
    assert "starts to sign" in key_records(domain)[1].purpose
    lifecycle.start_signing(domain.pk, rsa.selector)
    assert "signed before" in key_records(domain)[1].purpose
    assert [record.id for record in key_records(domain)] == [
        "dkim",
        "dkim_quazzar",
        f"dkim_{ed25519.selector}",
    ]


@pytest.mark.parametrize(
    ("status", "everywhere", "counts"),
    [
        (Status.OK, True, True),
        (Status.OK, False, False),
        (Status.MISSING, True, False),
        (Status.MISMATCH, True, False),
        (Status.ERROR, True, False),
        (Status.UNCHECKED, True, False),
    ],
)
def test_published_is_what_every_name_server_has_as_it_should_be(
    domain: Domain, waiting: DkimKey, status: Status, everywhere: bool, counts: bool
) -> None:
    results = [
        Result(record, Verdict(status, "", (record.value,)), everywhere=everywhere)
        for record in wanted(Facts.for_domain(domain))
    ]
    assert published_keys(results) == (published(waiting) if counts else {})


# --- advancing ---------------------------------------------------------------------------------------------
def test_published_it_signs_once(domain: Domain, waiting: DkimKey) -> None:
    assert progress.advance(domain, published(waiting)) is (waiting.algorithm == RSA)
    assert signs(waiting)
    assert not progress.advance(domain, published(waiting)), "it did already"


def test_both_waiting_keys_may_begin_at_once(domain: Domain) -> None:
    both = [lifecycle.begin_rotation(domain.pk), lifecycle.add_ed25519(domain.pk)]
    assert progress.advance(domain, published(*both))
    assert all(map(signs, both))


def test_unpublished_it_does_not_sign(domain: Domain, waiting: DkimKey) -> None:
    assert not progress.advance(domain, {"another": "v=DKIM1; k=rsa; p=QUJD"})
    assert not signs(waiting)


def test_a_probe_has_to_verify_by_what_is_published(domain: Domain, waiting: DkimKey) -> None:
    other = GENERATE[waiting.algorithm]().public_base64
    assert not progress.advance(domain, {waiting.selector: key_record(other)})
    assert not signs(waiting)


def test_a_key_that_cannot_be_opened_does_not_sign(
    domain: Domain, waiting: DkimKey, caplog: pytest.LogCaptureFixture
) -> None:
    factories.spoil(waiting, "private_key")
    assert not progress.advance(domain, published(waiting))
    assert not signs(waiting)
    remedy = "cancel the rotation" if waiting.algorithm == RSA else "turn it off and on again"
    assert f"the key {waiting.selector} of example.com cannot be opened; {remedy}" in caplog.text


def test_given_up_meanwhile_it_does_not_sign(domain: Domain, waiting: DkimKey) -> None:
    give_up = lifecycle.cancel_rotation if waiting.algorithm == RSA else lifecycle.remove_ed25519
    give_up(domain.pk)
    assert not progress.advance(domain, published(waiting))


# --- what the operator reads -------------------------------------------------------------------------------
def test_each_state_of_a_rotation_says_what_to_do(domain: Domain) -> None:
    assert progress.rotation(domain) == progress.Rotation("none", "quazzar")
    key = lifecycle.begin_rotation(domain.pk)
    pending = progress.rotation(domain)
    assert (pending.state, pending.selector, pending.other) == ("pending", "quazzar", key.selector)
    assert pending.message.startswith(f"Publish the TXT record {key.selector}._domainkey.example.com.")
    assert pending.since is None and pending.keep_until is None
    progress.advance(domain, published(key))
    retiring = progress.rotation(domain)
    assert (retiring.state, retiring.selector, retiring.other) == ("retiring", key.selector, "quazzar")
    assert retiring.since and retiring.keep_until == retiring.since + progress.KEEP_RETIRED
    assert "Keep the record quazzar._domainkey.example.com" in retiring.message


def test_each_state_of_the_ed25519_key_says_what_to_do(domain: Domain) -> None:
    assert progress.ed25519_key(domain).state == "off"
    key = lifecycle.add_ed25519(domain.pk)
    record = f"{key.selector}._domainkey.example.com"
    pending = progress.ed25519_key(domain)
    assert (pending.state, pending.selector, pending.record) == (
        "pending",
        key.selector,
        f"dkim_{key.selector}",
    )
    assert pending.message.startswith(f"Publish the TXT record {record}.")
    progress.advance(domain, published(key))
    signing = progress.ed25519_key(domain)
    assert signing.state == "signing" and f"Keep the record {record}" in signing.message
    removed = progress.remove_ed25519(domain)
    assert (removed.state, removed.selector) == ("off", "")
    assert removed.message.endswith(f"You may delete the TXT record {record}.")
    assert progress.ed25519_key(domain).state == "off"


def test_a_retired_key_goes_when_its_time_is_over_and_the_operator_hears(
    domain: Domain, relay: RelaySettings
) -> None:
    relay.alert_recipients = ["ops@example.net"]
    relay.save()
    key = lifecycle.begin_rotation(domain.pk)
    progress.advance(domain, published(key))
    assert progress.remove_retired() == []
    long_ago = timezone.now() - progress.KEEP_RETIRED - timedelta(seconds=1)
    DkimKey.objects.update(since=long_ago)
    removed = progress.remove_retired()
    assert removed == [("example.com", "quazzar")]
    alerts.tell_retired(removed)
    assert "may be deleted" in Message.objects.get().subject
    assert progress.rotation(domain) == progress.Rotation("none", key.selector, since=long_ago)


# --- the probe ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("algorithm", [RSA, ED25519])
def test_a_signature_verifies_by_its_own_record_alone(algorithm: DkimKey.Algorithm) -> None:
    own, other = GENERATE[algorithm](), GENERATE[algorithm]()
    assert probe.verifies(own.private_pem, "example.com", "s", key_record(own.public_base64))
    assert not probe.verifies(own.private_pem, "example.com", "s", key_record(other.public_base64))


def test_an_ed25519_signature_does_not_verify_by_an_rsa_record() -> None:
    value = key_record(keys.generate().public_base64)
    assert not probe.verifies(keys.generate_ed25519().private_pem, "example.com", "s", value)


@pytest.mark.parametrize("algorithm", [RSA, ED25519])
@pytest.mark.parametrize(
    "text", ["", "v=DKIM1; k={0}; p=", "v=DKIM1; k={0}; p=!!", "v=DKIM1; k={0}; p=QUJD", "rubbish", "caf\xe9"]
)
def test_rubbish_verifies_nothing(algorithm: DkimKey.Algorithm, text: str) -> None:
    private_pem = GENERATE[algorithm]().private_pem
    assert not probe.verifies(private_pem, "example.com", "s", text.format(algorithm.value))
