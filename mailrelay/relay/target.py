"""The saved relay as something to connect to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mailrelay.models import RelaySettings
from mailrelay.smtp.dialogue import Target
from quazzar.errors import RelayNotConfigured, Unreadable


@dataclass(frozen=True)
class Relay:
    """Where mail goes at the moment, and the name it comes from."""

    target: Target
    from_address: str
    from_name: str
    provider: str
    updated_at: datetime


def load() -> Relay:
    """The relay as it is saved now.

    Raises:
        RelayNotConfigured: no host is set.
        Unreadable: the password was sealed with a key that is gone.
    """
    row = RelaySettings.load()
    if not row.configured:
        raise RelayNotConfigured
    return Relay(target_of(row), row.from_address, row.from_name, row.provider, row.updated_at)


def target_of(row: RelaySettings) -> Target:
    """The row's target, its password opened.

    Raises:
        Unreadable: as ``load``.
    """
    try:
        password = str(row.password.reveal()) if row.password is not None else ""
    except Unreadable as exc:
        raise Unreadable(
            "The relay password was sealed with a key that is no longer in the key file; enter the password again."
        ) from exc
    return Target(row.host, row.port, row.security, row.username, password)


def unchanged(relay: Relay) -> bool:
    """Whether the saved relay is still this one; a cheap query."""
    return RelaySettings.objects.filter(pk=1, updated_at=relay.updated_at).exists()
