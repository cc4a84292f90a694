"""A domain's second DKIM key, Ed25519 (RFC 8463): made, signing beside the RSA key, and removed.

It is an option. When its record is published is decided by whoever looks at DNS.
"""

from __future__ import annotations

import hashlib

from mailboxes import changes
from mailboxes.dkim import keys as dkim
from mailboxes.models import Domain
from quazzar.access import audit
from quazzar.errors import AlreadyExists, QuazzarError

_COLUMNS = (
    "dkim_ed25519_selector", "dkim_ed25519_private_key", "dkim_ed25519_public_key", "dkim_ed25519_signs",
)  # fmt: skip


class NoSecondKey(QuazzarError):
    """There is none to remove."""

    code = "no_ed25519_key"
    message = "This domain has no Ed25519 key."
    hint = "Its mail is signed with RSA alone."
    status = 409


def begin(domain_id: int) -> Domain:
    """Makes the key; it does not sign yet.

    Raises:
        NotFound: there is no such domain.
        AlreadyExists: it has one.
    """
    key = dkim.generate_ed25519()
    with changes.writing():
        row = changes.found(Domain.objects.all(), domain_id)
        if row.dkim_ed25519_selector:
            raise AlreadyExists(
                f"{row.name} has the Ed25519 key {row.dkim_ed25519_selector} already.",
                code="ed25519_key_exists",
            )
        row.dkim_ed25519_selector = _selector(key.public_base64)
        row.dkim_ed25519_private_key = key.private_pem
        row.dkim_ed25519_public_key = key.public_base64
        row.dkim_ed25519_signs = False
        row.save(update_fields=_COLUMNS)
        audit.record("domain.dkim_ed25519_begun", row.name, ["dkim_ed25519_selector"])
    return row


def sign(domain_id: int, selector: str) -> bool:
    """It signs from now on, if it still is that one and can be opened; whether that is new."""
    with changes.writing():
        waiting = Domain.objects.filter(dkim_ed25519_selector=selector, dkim_ed25519_signs=False)
        row = waiting.filter(pk=domain_id).first()
        if row is None or row.dkim_ed25519_private_key is None or not row.dkim_ed25519_private_key.readable:
            return False
        row.dkim_ed25519_signs = True
        changes.stamp(row)
        row.save()
        audit.record("domain.dkim_ed25519_signs", row.name, ["dkim_ed25519_signs"])
        changes.announce()
    return True


def remove(domain_id: int) -> str:
    """The key is gone, here and in the stack; its selector, whose record nobody needs any more.

    Raises:
        NotFound: there is no such domain.
        NoSecondKey: it has none.
    """
    with changes.writing():
        row = changes.found(Domain.objects.all(), domain_id)
        selector, signed = row.dkim_ed25519_selector, row.dkim_ed25519_signs
        if not selector:
            raise NoSecondKey
        row.dkim_ed25519_selector = row.dkim_ed25519_public_key = ""
        row.dkim_ed25519_private_key = None
        row.dkim_ed25519_signs = False
        if signed:
            changes.stamp(row)
            changes.announce()
        row.save()
        audit.record("domain.dkim_ed25519_removed", row.name, ["dkim_ed25519_selector"])
    return selector


def _selector(public_key: str) -> str:
    """Another name for each key: under one that had another key before, caches would still give that."""
    return f"quazzar-ed-{hashlib.sha256(public_key.encode()).hexdigest()[:6]}"
