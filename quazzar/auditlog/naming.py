"""Names that people know for targets that are only ids. Apps register their namers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quazzar.models import AuditEntry

#: (user, targets) → the names of those that still exist and that the user may see.
Namer = Callable[[Any, Collection[str]], Mapping[str, str]]
_namers: dict[str, Namer] = {}


def register(prefix: str, namer: Namer) -> None:
    """Add a namer for the actions that begin with the prefix, such as ``message.``."""
    _namers[prefix] = namer


def names(user: Any, entries: Iterable[AuditEntry]) -> dict[str, str]:
    """Target → name, with one query for each namer that has something to name."""
    found: dict[str, str] = {}
    entries = list(entries)
    for prefix, namer in _namers.items():
        if targets := {entry.target for entry in entries if entry.action.startswith(prefix)}:
            found |= namer(user, targets)
    return found
