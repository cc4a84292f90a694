"""Rotates a domain's DKIM key: another is made, takes over once it is published, and the old one goes in the end.

When the time for each step has come is decided by whoever looks at DNS.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from mailboxes import changes
from mailboxes.dkim import keys as dkim
from mailboxes.models import Domain
from quazzar.access import audit
from quazzar.errors import AlreadyExists, QuazzarError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date


class NoRotation(QuazzarError):
    """There is no key that waits to be published."""

    code = "no_rotation"
    message = "No DKIM key of this domain waits to be published."
    hint = "Begin a rotation first."
    status = 409


def begin(domain_id: int) -> Domain:
    """Makes the next key; the present one goes on signing.

    Raises:
        NotFound: there is no such domain.
        AlreadyExists: a rotation is under way.
    """
    key = dkim.generate()
    with changes.writing():
        row = changes.found(Domain.objects.all(), domain_id)
        if row.dkim_next_selector:
            raise AlreadyExists(
                f"The key {row.dkim_next_selector} of {row.name} waits to be published already.",
                code="rotation_under_way",
            )
        if row.dkim_old_selector:
            raise AlreadyExists(
                f"Mail that the key {row.dkim_old_selector} of {row.name} signed may still be on its way.",
                code="rotation_under_way",
            )
        row.dkim_next_selector = next(
            each for each in _selectors(timezone.now().date()) if _is_new(row, each)
        )
        row.dkim_next_private_key = key.private_pem
        row.dkim_next_public_key = key.public_base64
        row.save(update_fields=["dkim_next_selector", "dkim_next_private_key", "dkim_next_public_key"])
        audit.record("domain.dkim_rotation_begun", row.name, ["dkim_next_selector"])
    return row


def cancel(domain_id: int) -> None:
    """Gives up the next key before it signs.

    Raises:
        NotFound: there is no such domain.
        NoRotation: none waits; it may sign already.
    """
    with changes.writing():
        row = changes.found(Domain.objects.all(), domain_id)
        if not row.dkim_next_selector:
            raise NoRotation
        _clear(row, "next")
        row.save(update_fields=["dkim_next_selector", "dkim_next_private_key", "dkim_next_public_key"])
        audit.record("domain.dkim_rotation_cancelled", row.name, ["dkim_next_selector"])


def switch(domain_id: int, selector: str) -> bool:
    """The next key signs from now on, if it still is that one and can be opened; whether it does."""
    with changes.writing():
        row = Domain.objects.filter(pk=domain_id, dkim_next_selector=selector).first()
        if row is None or row.dkim_next_private_key is None or not row.dkim_next_private_key.readable:
            return False
        row.dkim_old_selector, row.dkim_old_public_key = row.dkim_selector, row.dkim_public_key
        row.dkim_selector, row.dkim_public_key = row.dkim_next_selector, row.dkim_next_public_key
        signing = row.dkim_private_key
        row.dkim_old_private_key = signing.reveal() if signing is not None and signing.readable else None
        row.dkim_private_key = row.dkim_next_private_key.reveal()
        row.dkim_rotated_at = timezone.now()
        _clear(row, "next")
        changes.stamp(row)
        row.save()
        audit.record("domain.dkim_rotated", row.name, ["dkim_selector"])
        changes.announce()
    return True


def retire(domain_id: int) -> bool:
    """The old key is removed; whether there was one."""
    with changes.writing():
        row = Domain.objects.exclude(dkim_old_selector="").filter(pk=domain_id).first()
        if row is None:
            return False
        _clear(row, "old")
        changes.stamp(row)
        row.save()
        audit.record("domain.dkim_key_retired", row.name, ["dkim_old_selector"])
        changes.announce()
    return True


def _selectors(today: date) -> Iterator[str]:
    """``qz20261122``, then with a letter, for who rotates twice a day."""
    yield f"qz{today:%Y%m%d}"
    yield from (f"qz{today:%Y%m%d}{letter}" for letter in "bcdefghijklmnopqrstuvwxyz")


def _is_new(row: Domain, selector: str) -> bool:
    return selector not in {row.dkim_selector, row.dkim_old_selector}


def _clear(row: Domain, which: str) -> None:
    setattr(row, f"dkim_{which}_selector", "")
    setattr(row, f"dkim_{which}_private_key", None)
    setattr(row, f"dkim_{which}_public_key", "")
