"""Locks that hold on every machine that shares a PostgreSQL, and between the threads and processes of one."""

from __future__ import annotations

import fcntl
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The first half of the keys of our advisory locks, so that they differ from those of other programs: "QZR".
_OURS = 0x515A52


@contextmanager
def single(name: str) -> Iterator[bool]:
    """One at a time, here and on all machines: tries to take the lock, and yields whether it did; never waits.

    Args:
        name: one lock for each kind of work.
    """
    with _on_this_node(name) as mine:
        if not mine:
            yield False
            return
        with shared(name, wait=False) as ours:
            yield ours


@contextmanager
def _on_this_node(name: str) -> Iterator[bool]:
    with (settings.QUAZZAR_DATA_DIR / f"{name}.lock").open("w") as file:
        try:
            # Each open() has a lock of its own, so threads of one worker exclude each other, too.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


@contextmanager
def shared(name: str, *, wait: bool) -> Iterator[bool]:
    """An advisory lock of the session (PostgreSQL's manual, 13.3.5), which ends with its holder's connection; yields
    whether it was taken.

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
