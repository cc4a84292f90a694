"""Notes that a request leaves behind, such as when a key was last used. They matter less than the request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection

#: Milliseconds that a note waits for other writers of an SQLite database.
_PATIENCE = 250


@contextmanager
def hurried() -> Iterator[None]:
    """Leave the note out if the database is locked, instead of keeping the request waiting for as long as a change
    waits."""
    try:
        if connection.vendor != "sqlite":
            yield
            return
        connection.ensure_connection()
        sqlite = connection.connection  # below Django, which would count these as queries
        usual = int(sqlite.execute("PRAGMA busy_timeout").fetchone()[0])
        sqlite.execute(f"PRAGMA busy_timeout = {_PATIENCE}")
        try:
            yield
        finally:
            sqlite.execute(f"PRAGMA busy_timeout = {usual}")
    except OperationalError:
        pass
