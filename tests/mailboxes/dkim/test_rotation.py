"""A domain's next DKIM key: made, taking over, given up, and the old one removed."""

from __future__ import annotations

import pytest

from mailboxes.dkim import rotation as dkimrotation
from mailboxes.models import Domain, Stack
from mailboxes.provisioning import facade as provisioning
from mailboxes.push import parts, snapshots
from quazzar.errors import AlreadyExists, NotFound
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain() -> Domain:
    return provisioning.add_domain("example.com")


def key_files() -> set[str]:
    """The private keys that the stack gets."""
    rendered = parts.bundle(snapshots.take().snapshot, ("", ""))["dkim"]
    return {file.path for file in rendered if file.path.endswith(".private")}


def test_the_next_key_does_not_sign_yet(domain: Domain) -> None:
    before = Stack.load().desired_generation
    row = dkimrotation.begin(domain.pk)
    assert row.dkim_selector == "quazzar" and row.dkim_next_selector.startswith("qz20")
    assert row.dkim_next_public_key not in {"", domain.dkim_public_key}
    assert Stack.load().desired_generation == before
    assert key_files() == {"dkim/example.com.quazzar.private"}


def test_it_is_sealed(domain: Domain) -> None:
    row = dkimrotation.begin(domain.pk)
    assert "PRIVATE" not in repr(row.dkim_next_private_key)


def test_only_one_at_a_time(domain: Domain) -> None:
    row = dkimrotation.begin(domain.pk)
    with pytest.raises(AlreadyExists):
        dkimrotation.begin(domain.pk)
    dkimrotation.switch(domain.pk, row.dkim_next_selector)
    with pytest.raises(AlreadyExists, match="on its way"):
        dkimrotation.begin(domain.pk)


def test_it_takes_over_and_the_old_one_stays_at_hand(domain: Domain) -> None:
    selector = dkimrotation.begin(domain.pk).dkim_next_selector
    before = Stack.load().desired_generation
    assert dkimrotation.switch(domain.pk, selector)
    row = Domain.objects.get()
    assert (row.dkim_selector, row.dkim_next_selector, row.dkim_old_selector) == (selector, "", "quazzar")
    assert row.dkim_old_public_key == domain.dkim_public_key
    assert row.dkim_rotated_at is not None and not row.synced
    assert Stack.load().desired_generation == before + 1
    # SMTP sessions that are open still know the old key by its file.
    assert key_files() == {f"dkim/example.com.{selector}.private", "dkim/example.com.quazzar.private"}


def test_signing_names_the_new_key_alone(domain: Domain) -> None:
    selector = dkimrotation.begin(domain.pk).dkim_next_selector
    dkimrotation.switch(domain.pk, selector)
    rendered = {
        file.path: file.data.decode() for file in parts.bundle(snapshots.take().snapshot, ("", ""))["dkim"]
    }
    assert selector in rendered["dkim/KeyTable"] and "quazzar" not in rendered["dkim/KeyTable"]


def test_it_takes_over_once_and_only_if_it_is_still_that_one(domain: Domain) -> None:
    selector = dkimrotation.begin(domain.pk).dkim_next_selector
    assert not dkimrotation.switch(domain.pk, "qz19990101")
    assert dkimrotation.switch(domain.pk, selector)
    assert not dkimrotation.switch(domain.pk, selector)


def test_given_up_it_is_gone(domain: Domain) -> None:
    selector = dkimrotation.begin(domain.pk).dkim_next_selector
    dkimrotation.cancel(domain.pk)
    row = Domain.objects.get()
    assert (row.dkim_next_selector, row.dkim_next_private_key, row.dkim_next_public_key) == ("", None, "")
    assert not dkimrotation.switch(domain.pk, selector)
    with pytest.raises(dkimrotation.NoRotation):
        dkimrotation.cancel(domain.pk)


def test_the_old_key_is_removed(domain: Domain) -> None:
    selector = dkimrotation.begin(domain.pk).dkim_next_selector
    dkimrotation.switch(domain.pk, selector)
    assert dkimrotation.retire(domain.pk)
    assert key_files() == {f"dkim/example.com.{selector}.private"}
    assert not dkimrotation.retire(domain.pk)


def test_twice_a_day_it_has_another_name(domain: Domain) -> None:
    names = []
    for _ in range(3):
        names.append(dkimrotation.begin(domain.pk).dkim_next_selector)
        dkimrotation.switch(domain.pk, names[-1])
        dkimrotation.retire(domain.pk)
    assert len({names[0], names[1]}) == len({names[1], names[2]}) == 2


def test_no_domain_is_404() -> None:
    for change in (dkimrotation.begin, dkimrotation.cancel):
        with pytest.raises(NotFound):
            change(999)
    assert not dkimrotation.retire(factories.domain().pk)
