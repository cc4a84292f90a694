"""One writer at a time, here and on all machines that share a PostgreSQL; a lock ends with its holder."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

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
    with locks.single(name) as mine:
        yield mine
