"""One writer at a time on this node: an operating system lock, which dies with the process that holds it."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def single_writer(name: str = "stack") -> Iterator[bool]:
    """Tries to take the lock, and yields whether it did; never waits.

    A process that does not get it leaves its work to the holder, who looks again after letting go. Writers on other
    machines are kept out by the generation in the files themselves (``mailboxes/push/recipe.py``).

    Args:
        name: one lock for each kind of work.
    """
    with (settings.QUAZZAR_DATA_DIR / f"{name}.lock").open("w") as file:
        try:
            # Each open() has a lock of its own, so threads of one worker exclude each other, too.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
