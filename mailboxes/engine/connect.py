"""The one place that makes an ``Engine``; tests replace ``to_docker`` with a fake."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine


def to_docker(timeout: float = 30.0) -> Engine:
    """An Engine that connects on its first request. Use it as a context manager, or close it.

    Args:
        timeout: seconds that one answer of the Engine may take.
    """
    # Docker's library costs a process 15 MB: import it only where Docker is used.
    from mailboxes.engine.client import Engine

    return Engine(timeout)
