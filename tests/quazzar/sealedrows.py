"""What tests of sealed rows share: a secret, what is stored of it, and a lost key."""

from django.db import connection

from mailrelay.models import Message, RelaySettings
from quazzar import keyring
from quazzar.sealing import KeyRing

SECRET = "hunter2 päss"


def stored(table: str = "mailrelay_relaysettings", column: str = "password") -> list[bytes | None]:
    """The column as the database holds it."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} ORDER BY id")
        return [None if blob is None else bytes(blob) for (blob,) in cursor.fetchall()]


def store(content: object) -> None:
    """Put this into the relay's password column, past the field."""
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
