"""A domain's Ed25519 key: made, signing beside the other, and removed."""

from __future__ import annotations

import pytest

from mailboxes.dkim import ed25519 as dkimsecond
from mailboxes.models import Domain, Stack
from mailboxes.provisioning import facade as provisioning
from mailboxes.push import parts, snapshots
from quazzar.errors import AlreadyExists, NotFound
from quazzar.models import AuditEntry
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain() -> Domain:
    return provisioning.add_domain("example.com")


@pytest.fixture
def signing(domain: Domain) -> Domain:
    row = dkimsecond.begin(domain.pk)
    assert dkimsecond.sign(row.pk, row.dkim_ed25519_selector)
    return Domain.objects.get()


def key_files() -> dict[str, bytes]:
    """What the stack gets for OpenDKIM."""
    rendered = parts.bundle(snapshots.take().snapshot, ("", ""))["dkim"]
    return {file.path.removeprefix("dkim/"): file.data for file in rendered}


def private_keys() -> set[str]:
    return {name for name in key_files() if name.endswith(".private")}


def generation() -> int:
    return Stack.load().desired_generation


def test_begun_it_does_not_sign_yet(domain: Domain) -> None:
    before = generation()
    row = dkimsecond.begin(domain.pk)
    assert row.dkim_ed25519_selector.startswith("quazzar-ed-") and not row.dkim_ed25519_signs
    assert len(row.dkim_ed25519_public_key) == 44 and "PRIVATE" not in repr(row.dkim_ed25519_private_key)
    assert generation() == before
    assert private_keys() == {"example.com.quazzar.private"}


def test_it_signs_beside_the_rsa_key(signing: Domain) -> None:
    selector = signing.dkim_ed25519_selector
    assert signing.dkim_ed25519_signs and signing.dkim_selector == "quazzar" and not signing.synced
    assert private_keys() == {"example.com.quazzar.private", f"example.com.{selector}.private"}
    files = key_files()
    assert selector.encode() in files["Ed25519KeyTable"] and selector.encode() not in files["KeyTable"]
    assert b"PRIVATE KEY" in files[f"example.com.{selector}.private"]


def test_signing_and_removing_are_each_a_change_of_the_stack(domain: Domain) -> None:
    before = generation()
    selector = dkimsecond.begin(domain.pk).dkim_ed25519_selector
    dkimsecond.sign(domain.pk, selector)
    assert generation() == before + 1
    dkimsecond.remove(domain.pk)
    assert generation() == before + 2


def test_it_begins_to_sign_once_and_only_if_it_is_still_that_one(domain: Domain) -> None:
    selector = dkimsecond.begin(domain.pk).dkim_ed25519_selector
    assert not dkimsecond.sign(domain.pk, "quazzar-ed-other")
    assert dkimsecond.sign(domain.pk, selector)
    assert not dkimsecond.sign(domain.pk, selector)


def test_one_that_cannot_be_opened_never_signs(domain: Domain) -> None:
    row = dkimsecond.begin(domain.pk)
    factories.spoil(row, "dkim_ed25519_private_key")
    assert not dkimsecond.sign(row.pk, row.dkim_ed25519_selector)
    assert dkimsecond.remove(row.pk) == row.dkim_ed25519_selector


def test_removed_nothing_of_it_is_left(signing: Domain) -> None:
    assert dkimsecond.remove(signing.pk) == signing.dkim_ed25519_selector
    row = Domain.objects.get()
    assert (row.dkim_ed25519_selector, row.dkim_ed25519_private_key, row.dkim_ed25519_public_key) == (
        "",
        None,
        "",
    )
    assert not row.dkim_ed25519_signs and not dkimsecond.sign(row.pk, signing.dkim_ed25519_selector)
    assert private_keys() == {"example.com.quazzar.private"}
    assert key_files()["Ed25519KeyTable"] == key_files()["Ed25519SigningTable"] == b""


def test_removed_before_it_signed_the_stack_is_left_alone(domain: Domain) -> None:
    dkimsecond.begin(domain.pk)
    before = generation()
    dkimsecond.remove(domain.pk)
    assert generation() == before


def test_there_is_one_at_most(domain: Domain) -> None:
    dkimsecond.begin(domain.pk)
    with pytest.raises(AlreadyExists, match="already"):
        dkimsecond.begin(domain.pk)
    dkimsecond.remove(domain.pk)
    with pytest.raises(dkimsecond.NoSecondKey):
        dkimsecond.remove(domain.pk)


def test_another_key_has_another_name(domain: Domain) -> None:
    first = dkimsecond.begin(domain.pk).dkim_ed25519_selector
    dkimsecond.remove(domain.pk)
    assert dkimsecond.begin(domain.pk).dkim_ed25519_selector != first


def test_each_step_is_in_the_log_without_a_value(signing: Domain) -> None:
    dkimsecond.remove(signing.pk)
    entries = list(AuditEntry.objects.filter(action__contains="ed25519").order_by("pk"))
    assert [each.action.removeprefix("domain.dkim_ed25519_") for each in entries] == [
        "begun",
        "signs",
        "removed",
    ]
    assert {each.target for each in entries} == {"example.com"}


def test_no_domain_is_404() -> None:
    for change in (dkimsecond.begin, dkimsecond.remove):
        with pytest.raises(NotFound):
            change(999)
    assert not dkimsecond.sign(999, "quazzar-ed")
