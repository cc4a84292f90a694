"""What tests of sealed rows share: a secret, what is stored of it, a lost key, a held-up writer."""

from collections.abc import Callable

import pytest
from django.db import connection

from mailrelay.models import Message, RelaySettings
from quazzar.sealing import cipher, keyring
from quazzar.sealing.cipher import KeyRing
from quazzar.sealing.columns import SealedColumn

SECRET = "hunter2 päss"


def stored(table: str = "mailrelay_relaysettings", column: str = "password") -> list[bytes | None]:
    """The column as the database holds it."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} ORDER BY id")
        return [None if blob is None else bytes(blob) for (blob,) in cursor.fetchall()]


def store(content: bytes | str | int | None) -> None:
    """Write this into the relay's password column, bypassing the field."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE mailrelay_relaysettings SET password = %s", [content])


def opened(row: RelaySettings | Message) -> str | bytes | None:
    """The row's secret."""
    value = row.password if isinstance(row, RelaySettings) else row.body
    return None if value is None else value.reveal()


def lose_key() -> KeyRing:
    """Put another key file in place; returns the ring that was there."""
    lost = keyring.current()
    keyring.replace(keyring.path(), KeyRing([b"another-" * 4]))
    return lost


def under_the_first_key() -> bool:
    """Whether the first key of the file sealed all that is stored."""
    header = keyring.current().header
    blobs = stored() + stored("mailrelay_message", "body")
    return all(blob is None or blob.startswith(header) for blob in blobs)


def held_up_writer(password: str) -> Callable[[], None]:
    """A writer that has sealed the relay's password with the current key; calling it stores the password."""
    blob = cipher.seal(password.encode(), "mailrelay.relay.password", keyring.current())
    return lambda: store(blob)


def meanwhile(monkeypatch: pytest.MonkeyPatch, name: str, number: int, act: Callable[[], object]) -> None:
    """Act once, right before the given call of this method of a column."""
    calls = []
    original = getattr(SealedColumn, name)

    def spied(self: SealedColumn, *args: object) -> object:
        calls.append(self)
        if len(calls) == number:
            act()
        return original(self, *args)

    monkeypatch.setattr(SealedColumn, name, spied)
