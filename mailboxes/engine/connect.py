"""Where the domain gets its Docker Engine from; tests put another in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine


def connect(timeout: float = 30.0) -> Engine:
    """An engine, which connects when it is first asked. Use it as a context manager, or close it."""
    # docker and what it brings cost a process 15 MB: only those that talk to Docker pay.
    from mailboxes.engine.client import Engine

    return Engine(timeout)
