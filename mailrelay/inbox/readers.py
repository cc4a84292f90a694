"""Readers of the mail in an inbox: each app registers what it can read, and every new mail is offered to all of them.

A reader gets a complete raw mail. It returns True if the mail is of its kind and is stored. It may be called twice with
the same mail, and must then store it once.
"""

from __future__ import annotations

from collections.abc import Callable

Reader = Callable[[bytes], bool]

_readers: dict[str, Reader] = {}


def register(name: str, read: Reader) -> None:
    """Offer every new mail to this reader; another reader of the same name is replaced.

    Args:
        name: what it reads, in a word or two, such as ``bounces`` or ``DMARC reports``.
    """
    _readers[name] = read


def read(raw: bytes) -> list[str]:
    """Offer one mail to every reader; returns the names of those that stored it."""
    return [name for name, reader in _readers.items() if reader(raw)]
