"""One writer at a time on this node: an OS lock, which dies with the process that holds it."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def single_writer(name: str = "stack") -> Iterator[bool]:
    """Whether we are the one for this work; never waits.

    Whoever is refused leaves the work to the holder, who looks again.

    A writer on another machine is told by the generation in the files themselves (``push.py``).
    """
    with (settings.QUAZZAR_DATA_DIR / f"{name}.lock").open("w") as file:
        try:
            # Each open() has a lock of its own, so threads of one worker exclude each other too.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
