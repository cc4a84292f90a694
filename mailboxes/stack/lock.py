"""One writer at a time, here and on all machines that share a PostgreSQL; a lock ends with its holder."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.conf import settings

from quazzar.machines import locks

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def single_writer(name: str = "stack") -> Iterator[bool]:
    """Tries to take the lock, and yields whether it did; never waits.

    A process that does not get it leaves its work to the holder, which checks again after it has released the lock.
    If a holder loses its connection to PostgreSQL, and with it the lock, the generation in the stack's files still
    keeps older writers out (``mailboxes/push/recipe.py``).

    Args:
        name: one lock for each kind of work.
    """
    with _on_this_node(name) as mine:
        if not mine:
            yield False
            return
        with locks.shared(name, wait=False) as ours:
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
