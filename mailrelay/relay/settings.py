"""The one writer of the relay settings: API, console and command line all come through here."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.dispatch import Signal

from mailrelay.models import RelaySettings
from mailrelay.relay import rules
from quazzar.access import audit
from quazzar.errors import InvalidFields

#: Sent after the commit of a change. The queue (mailrelay) and the mailbox stack's relayhost (mailboxes) follow it.
relay_changed = Signal()

PLAIN_FIELDS = (
    "provider", "host", "port", "security", "username", "from_address", "from_name", "alert_recipients",
    "backup_recipients", "notify_backup_success",
)  # fmt: skip


def values_of(row: RelaySettings) -> dict[str, Any]:
    """The row's fields without the password."""
    return {name: getattr(row, name) for name in PLAIN_FIELDS}


def update(changes: dict[str, Any], *, partial: bool) -> RelaySettings:
    """Saves what is given; what is not given keeps its value (``partial``) or goes back to its default.

    ``password``: absent or "" keeps the saved one, None removes it.

    Raises:
        InvalidFields: something does not fit; nothing was saved.
    """
    changes = dict(changes)
    password = changes.pop("password", "")
    with transaction.atomic():
        # Created before it is locked: of two first saves at once the second waits instead of failing.
        row, _ = RelaySettings.objects.select_for_update().get_or_create(pk=1)
        before = values_of(row)
        values = rules.complete(changes, before if partial else values_of(RelaySettings()), partial=partial)
        wrong = rules.problems(values)
        if wrong:
            raise InvalidFields(wrong)
        for name in PLAIN_FIELDS:
            setattr(row, name, values[name])
        changed = [name for name in PLAIN_FIELDS if values[name] != before[name]]
        if password is None or password:
            row.password = password
            changed.append("password")
        row.save()
        audit.record("relay.changed", "relay settings", changed)
    transaction.on_commit(_announce)
    return RelaySettings.load()


def clear() -> None:
    """Back to not configured; the recipients and the password go too. Queued mail waits."""
    with transaction.atomic():
        RelaySettings.objects.all().delete()
        audit.record("relay.removed", "relay settings")
    transaction.on_commit(_announce)


def _announce() -> None:
    relay_changed.send(sender=RelaySettings)
