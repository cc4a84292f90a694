"""A domain's DKIM keys: made, waiting, signing, retired and removed; what the stack gets of each."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from mailboxes.dkim import keys, lifecycle
from mailboxes.dkim.lifecycle import ED25519, RETIRED, RSA, SIGNING, WAITING
from mailboxes.models import DkimKey, Domain, Stack
from mailboxes.provisioning import domains
from mailboxes.push import parts, snapshots
from quazzar.errors import AlreadyExists, NotFound
from quazzar.models import AuditEntry
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain() -> Domain:
    return domains.add_domain("example.com")


@pytest.fixture
def rotated(domain: Domain) -> DkimKey:
    """The key that has just taken over from the domain's first one."""
    key = lifecycle.begin_rotation(domain.pk)
    assert lifecycle.start_signing(domain.pk, key.selector)
    key.refresh_from_db()
    return key


@pytest.fixture
def ed25519(domain: Domain) -> DkimKey:
    """An Ed25519 key that signs."""
    key = lifecycle.add_ed25519(domain.pk)
    assert lifecycle.start_signing(domain.pk, key.selector)
    key.refresh_from_db()
    return key


def states() -> dict[str, str]:
    """Selector → state, of every key."""
    return {key.selector: key.state for key in DkimKey.objects.all()}


def key_files() -> set[str]:
    """Domain and selector of each key that the stack gets."""
    rendered = parts.bundle(snapshots.take().snapshot, ("", ""))["dkim"]
    return {file.path.removeprefix("dkim/keys/") for file in rendered if file.path.startswith("dkim/keys/")}


def generation() -> int:
    return Stack.load().desired_generation


def arrived() -> None:
    """The running stack has the domain as it is."""
    Domain.objects.update(applied_at="2026-11-22T12:00Z")


# --- the database's own rules ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "columns",
    [
        {"selector": "another", "state": SIGNING},
        {"selector": "quazzar", "state": WAITING},
        {"selector": "another", "state": WAITING, "private_key": None},
    ],
    ids=["two that sign", "one selector twice", "one without a private half"],
)
def test_the_database_refuses(domain: Domain, columns: dict[str, str]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        factories.dkim_key(domain, **columns)


def test_the_database_takes_one_key_in_each_state_and_an_ed25519_key_beside_them(domain: Domain) -> None:
    factories.dkim_key(domain, selector="next", state=WAITING)
    factories.dkim_key(domain, selector="old", state=RETIRED, private_key=None)
    factories.dkim_key(domain, ED25519, selector="ed")
    assert states() == {"quazzar": SIGNING, "next": WAITING, "old": RETIRED, "ed": SIGNING}


# --- a rotation --------------------------------------------------------------------------------------------
def test_the_next_key_waits_while_the_present_one_signs(domain: Domain) -> None:
    before = generation()
    key = lifecycle.begin_rotation(domain.pk)
    assert key.selector.startswith("qz20") and states() == {"quazzar": SIGNING, key.selector: WAITING}
    first = domain.signing_key
    assert first and key.public_key not in {"", first.public_key}
    assert generation() == before and key_files() == {"example.com.quazzar"}


def test_there_is_one_rotation_at_a_time(domain: Domain) -> None:
    key = lifecycle.begin_rotation(domain.pk)
    with pytest.raises(AlreadyExists, match="waiting to be published"):
        lifecycle.begin_rotation(domain.pk)
    lifecycle.start_signing(domain.pk, key.selector)
    with pytest.raises(AlreadyExists, match="in transit"):
        lifecycle.begin_rotation(domain.pk)


def test_the_next_key_takes_over_and_the_first_one_retires(domain: Domain) -> None:
    key = lifecycle.begin_rotation(domain.pk)
    arrived()
    before = generation()
    assert lifecycle.start_signing(domain.pk, key.selector)
    assert states() == {"quazzar": RETIRED, key.selector: SIGNING}
    assert set(DkimKey.objects.values_list("since__date", flat=True)) != {None}
    assert generation() == before + 1 and not Domain.objects.get().synced
    # Rspamd asks for the key when the mail is there: no open session still needs the old one.
    assert key_files() == {f"example.com.{key.selector}"}


def test_the_retired_key_is_removed_once(rotated: DkimKey) -> None:
    arrived()
    retired = DkimKey.objects.get(state=RETIRED)
    assert not lifecycle.remove_retired(rotated.pk), "it signs"
    assert lifecycle.remove_retired(retired.pk)
    assert states() == {rotated.selector: SIGNING} and not Domain.objects.get().synced
    assert key_files() == {f"example.com.{rotated.selector}"}
    assert not lifecycle.remove_retired(retired.pk)


def test_a_retired_key_that_cannot_be_opened_keeps_its_bytes(domain: Domain) -> None:
    factories.spoil(DkimKey.objects.get(), "private_key")
    lifecycle.start_signing(domain.pk, lifecycle.begin_rotation(domain.pk).selector)
    retired = DkimKey.objects.get(state=RETIRED)
    assert retired.private_key is not None and not retired.readable


def test_given_up_the_next_key_is_gone(domain: Domain) -> None:
    key = lifecycle.begin_rotation(domain.pk)
    lifecycle.cancel_rotation(domain.pk)
    assert states() == {"quazzar": SIGNING}
    assert not lifecycle.start_signing(domain.pk, key.selector)
    with pytest.raises(lifecycle.NoRotation):
        lifecycle.cancel_rotation(domain.pk)


def test_a_key_that_signs_cannot_be_given_up(rotated: DkimKey) -> None:
    with pytest.raises(lifecycle.NoRotation):
        lifecycle.cancel_rotation(rotated.domain_id)


def test_twice_a_day_the_next_key_has_another_selector(domain: Domain) -> None:
    selectors = []
    for _ in range(3):
        selectors.append(lifecycle.begin_rotation(domain.pk).selector)
        lifecycle.start_signing(domain.pk, selectors[-1])
        lifecycle.remove_retired(DkimKey.objects.get(state=RETIRED).pk)
    assert len({selectors[0], selectors[1]}) == len({selectors[1], selectors[2]}) == 2


# --- the Ed25519 key ---------------------------------------------------------------------------------------
def test_a_new_ed25519_key_waits(domain: Domain) -> None:
    before = generation()
    key = lifecycle.add_ed25519(domain.pk)
    assert key.selector.startswith("quazzar-ed-") and (key.algorithm, key.state) == (ED25519, WAITING)
    assert len(key.public_key) == 44
    assert generation() == before and key_files() == {"example.com.quazzar"}


def test_it_signs_beside_the_rsa_key(ed25519: DkimKey) -> None:
    assert states() == {"quazzar": SIGNING, ed25519.selector: SIGNING}
    assert key_files() == {"example.com.quazzar", f"example.com.{ed25519.selector}"}


def test_a_rotation_of_the_rsa_key_leaves_it_alone(domain: Domain, ed25519: DkimKey) -> None:
    key = lifecycle.begin_rotation(domain.pk)
    lifecycle.start_signing(domain.pk, key.selector)
    assert states() == {"quazzar": RETIRED, key.selector: SIGNING, ed25519.selector: SIGNING}


def test_there_is_one_ed25519_key_at_most(domain: Domain) -> None:
    lifecycle.add_ed25519(domain.pk)
    with pytest.raises(AlreadyExists, match="already"):
        lifecycle.add_ed25519(domain.pk)
    lifecycle.remove_ed25519(domain.pk)
    with pytest.raises(lifecycle.NoEd25519Key):
        lifecycle.remove_ed25519(domain.pk)


def test_removed_nothing_of_it_is_left(ed25519: DkimKey) -> None:
    arrived()
    before = generation()
    assert lifecycle.remove_ed25519(ed25519.domain_id) == ed25519.selector
    assert states() == {"quazzar": SIGNING} and key_files() == {"example.com.quazzar"}
    assert generation() == before + 1 and not Domain.objects.get().synced


def test_removed_before_it_signed_the_stack_is_left_alone(domain: Domain) -> None:
    lifecycle.add_ed25519(domain.pk)
    before = generation()
    lifecycle.remove_ed25519(domain.pk)
    assert generation() == before


def test_another_ed25519_key_has_another_selector(domain: Domain) -> None:
    first = lifecycle.add_ed25519(domain.pk).selector
    lifecycle.remove_ed25519(domain.pk)
    assert lifecycle.add_ed25519(domain.pk).selector != first


# --- both --------------------------------------------------------------------------------------------------
@pytest.fixture(params=[lifecycle.begin_rotation, lifecycle.add_ed25519], ids=["rsa", "ed25519"])
def waiting(request: pytest.FixtureRequest, domain: Domain) -> DkimKey:
    key: DkimKey = request.param(domain.pk)
    return key


def test_a_waiting_key_signs_once_and_only_if_it_is_still_that_one(waiting: DkimKey) -> None:
    assert not lifecycle.start_signing(waiting.domain_id, "qz19990101")
    assert lifecycle.start_signing(waiting.domain_id, waiting.selector)
    assert not lifecycle.start_signing(waiting.domain_id, waiting.selector)


def test_a_waiting_key_that_cannot_be_opened_never_signs(waiting: DkimKey) -> None:
    factories.spoil(waiting, "private_key")
    assert not lifecycle.start_signing(waiting.domain_id, waiting.selector)
    assert states() == {"quazzar": SIGNING, waiting.selector: WAITING}


def test_no_repr_shows_a_private_key(waiting: DkimKey) -> None:
    assert "PRIVATE" not in repr(waiting) + repr(waiting.private_key) + str(waiting)


def test_each_step_is_in_the_log_without_a_value(domain: Domain) -> None:
    lifecycle.start_signing(domain.pk, lifecycle.begin_rotation(domain.pk).selector)
    lifecycle.remove_retired(DkimKey.objects.get(state=RETIRED).pk)
    lifecycle.start_signing(domain.pk, lifecycle.add_ed25519(domain.pk).selector)
    lifecycle.remove_ed25519(domain.pk)
    entries = AuditEntry.objects.filter(action__contains="dkim").order_by("pk")
    assert [entry.action.removeprefix("domain.dkim_") for entry in entries] == [
        "rotation_begun",
        "rotated",
        "key_retired",
        "ed25519_begun",
        "ed25519_signs",
        "ed25519_removed",
    ]
    assert {(entry.target, *entry.fields) for entry in entries} == {("example.com", "dkim_keys")}


def test_without_a_domain_nothing_is_found() -> None:
    changes = (
        lifecycle.begin_rotation,
        lifecycle.cancel_rotation,
        lifecycle.add_ed25519,
        lifecycle.remove_ed25519,
    )
    for change in changes:
        with pytest.raises(NotFound):
            change(999)
    assert not lifecycle.start_signing(999, "quazzar-ed")


def test_unsigned_are_the_domains_without_an_rsa_key_that_signs(domain: Domain) -> None:
    factories.dkim_key(factories.domain("b.example"), ED25519, selector="ed")
    factories.dkim_key(factories.domain("c.example"), RSA, selector="next", state=WAITING)
    assert [row.name for row in Domain.objects.unsigned()] == ["b.example", "c.example"]
    lifecycle.add_first_key(Domain.objects.get(name="b.example"), keys.generate())
    assert [row.name for row in Domain.objects.unsigned()] == ["c.example"]
