"""Locks that hold on every machine that shares a PostgreSQL; each ends with its holder's connection."""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The first half of the keys of our advisory locks, so that they differ from those of other programs: "QZR".
_OURS = 0x515A52


@contextmanager
def shared(name: str, *, wait: bool) -> Iterator[bool]:
    """An advisory lock of the session (PostgreSQL's manual, 13.3.5); yields whether it was taken.

    Without PostgreSQL there is one machine, and so nothing to lock.

    Args:
        name: one lock for each kind of work.
        wait: until it is free; it is always taken then.
    """
    if connection.vendor != "postgresql":
        yield True
        return
    key = [_OURS, zlib.crc32(name.encode()) - 2**31]
    with connection.cursor() as cursor:
        if wait:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", key)
            acquired = True
        else:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", key)
            (acquired,) = cursor.fetchone()
    try:
        yield acquired
    finally:
        if acquired:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", key)
