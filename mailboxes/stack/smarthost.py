"""The stack's smarthost follows the relay settings, without a restart."""

from __future__ import annotations

from django.db import transaction

from mailboxes import changes
from mailboxes.models import Stack


def follow_relay() -> None:
    """The relay settings changed: when the stack's mail leaves through them, that is a change of the stack."""
    if not Stack.objects.filter(pk=1, send_through_relay=True).exists():
        return
    with transaction.atomic():
        changes.bump()
        changes.announce()
