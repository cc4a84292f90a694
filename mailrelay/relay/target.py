"""The saved relay: what to connect to, and the address that mail comes from by default."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from mailrelay.bounces import returnpath
from mailrelay.bounces.returnpath import ReturnPath
from mailrelay.mail import addresses
from mailrelay.models import RelaySettings
from mailrelay.relay import ownserver, presets
from mailrelay.smtp.dialogue import Target
from quazzar import hostnames
from quazzar.errors import KeyFileError, RelayNotConfigured, Unreadable
from quazzar.sealing import keyring


@dataclass(frozen=True)
class Relay:
    """The relay settings, ready to send with.

    Attributes:
        target: where to connect, with the opened password.
        updated_at: when they were saved; another time means that they have changed.
        returns: where bounces go; None: to each mail's own sender.
        refusals: how often in a row the server has refused the login (see ``logins``).
    """

    target: Target
    from_address: str
    from_name: str
    provider: str
    updated_at: datetime
    refusals: int = 0
    login_not_before: datetime | None = None
    login_error: dict[str, Any] | None = None
    returns: ReturnPath | None = None


def load() -> Relay:
    """The relay as it is saved now.

    Raises:
        RelayNotConfigured: no host is set.
        Unreadable: the password was sealed with a key that is gone.
    """
    row = RelaySettings.load()
    if not row.configured:
        raise RelayNotConfigured
    return relay_of(row)


def relay_of(row: RelaySettings) -> Relay:
    """The relay of this row.

    Raises:
        Unreadable: the password was sealed with a key that is gone.
    """
    return Relay(
        target_of(row),
        row.from_address,
        row.from_name,
        row.provider,
        row.updated_at,
        row.login_refusals,
        row.login_not_before,
        row.login_error,
        _returns(row),
    )


def _returns(row: RelaySettings) -> ReturnPath | None:
    """The signed return path, if one is wanted and the provider takes it."""
    if not row.bounce_address or presets.insists_on_sender(row.provider, row.host):
        return None
    if not ownserver.takes(row.username, row.bounce_address):
        return None
    try:
        key = keyring.current().derived(returnpath.PURPOSE)[0]
    except KeyFileError:
        return None  # mail matters more, and sealed mail says what is wrong with the file
    return returnpath.at(row.bounce_address, key)


def target_of(row: RelaySettings) -> Target:
    """Where to connect according to this row, with its password opened.

    Raises:
        Unreadable: the password was sealed with a key that is gone.
    """
    try:
        password = str(row.password.reveal()) if row.password is not None else ""
    except Unreadable as exc:
        raise Unreadable(
            "The relay password was sealed with a key that is no longer in the key file. Enter the "
            "password again."
        ) from exc
    return Target(row.host, row.port, row.security, row.username, password)


def unchanged(relay: Relay) -> bool:
    """Whether the settings are still the same. Plain SQL, because building the query takes longer than running it, and
    a drain asks before each claim."""
    moment = connection.ops.adapt_datetimefield_value(relay.updated_at)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM mailrelay_relaysettings WHERE id = 1 AND updated_at = %s", [moment])
        return cursor.fetchone() is not None


def default_from(from_address: str, username: str) -> str:
    """The relay's from address; else its username if that is an address; else an address of this node."""
    for candidate in (from_address, username):
        if "@" in candidate:
            try:
                return addresses.split(candidate)[1]
            except ValueError:
                continue
    named = hostnames.current()
    for name in filter(None, (named.fqdn, *named.short)):
        try:
            return addresses.normalise(f"mail-relay@{name}")
        except ValueError:
            continue
    return "mail-relay@localhost"
