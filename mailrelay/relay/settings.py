"""The only writer of the relay settings: API and console both call it."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.dispatch import Signal

from mailrelay.models import RelaySettings
from mailrelay.relay import logins, rules
from quazzar.access import audit
from quazzar.errors import InvalidFields
from quazzar.sealing.binding import has_moved

#: Sent after the commit of a change. The queue (mailrelay) and the mailbox stack's relayhost (mailboxes) follow it.
relay_changed = Signal()

#: Every field but the password.
PLAIN_FIELDS = (
    "provider",
    "host",
    "port",
    "security",
    "username",
    "from_address",
    "from_name",
    "alert_recipients",
    "backup_recipients",
    "notify_backup_success",
    "bounce_address",
)


def values_of(row: RelaySettings) -> dict[str, Any]:
    """The values of the row's fields, without the password."""
    return {name: getattr(row, name) for name in PLAIN_FIELDS}


def update(changes: dict[str, Any], *, partial: bool) -> RelaySettings:
    """Save changed fields; a field that is absent keeps its value (``partial``) or goes back to its default.

    A ``password`` that is absent or "" keeps the saved one, as long as host, port, username and security stay the same
    (see `quazzar.sealing.binding`); None removes it, and so does an empty host. The change is audited, and
    ``relay_changed`` is sent after the commit. A line break at the end of username or password is dropped.

    Raises:
        InvalidFields: a value is wrong; nothing is saved.
    """
    changes = dict(changes)
    password = changes.pop("password", "")
    password = password and rules.pasted(password)
    if isinstance(changes.get("username"), str):
        changes["username"] = rules.pasted(changes["username"])
    with transaction.atomic():
        # Created first and locked then: of two first saves at once, the second waits instead of failing.
        row, _ = RelaySettings.objects.select_for_update().get_or_create(pk=1)
        before = values_of(row)
        values = rules.complete(changes, before if partial else values_of(RelaySettings()), partial=partial)
        wrong = rules.problems(values)
        if not wrong and password == "" and row.password is not None:
            if not values["host"]:
                password = None  # it goes with the place that it was sent to
            elif has_moved(before, values, rules.PASSWORD_PLACE):
                wrong = {"password": [rules.PLACE_CHANGED]}
        if password and (sentence := rules.password_problem(password)):
            wrong = {**wrong, "password": [sentence]}
        if wrong:
            raise InvalidFields(wrong)
        for name in PLAIN_FIELDS:
            setattr(row, name, values[name])
        changed = {
            name: (before[name], values[name]) for name in PLAIN_FIELDS if values[name] != before[name]
        }
        if password or (password is None and row.password is not None):
            changed["password"] = (None, None)
        if password is None or password:
            row.password = password
        for name, value in logins.CLEAR.items():
            setattr(row, name, value)
        row.save()
        if changed:
            audit.record("relay.changed", "relay settings", changes=changed)
    transaction.on_commit(_announce)
    return RelaySettings.load()


def clear() -> None:
    """Delete all settings, including recipients and password. Queued mail waits until a relay is set again."""
    with transaction.atomic():
        if RelaySettings.objects.all().delete()[0]:
            audit.record("relay.removed", "relay settings")
    transaction.on_commit(_announce)


def _announce() -> None:
    relay_changed.send(sender=RelaySettings)
