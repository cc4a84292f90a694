"""Real lines: what the stand-ins of the stack logged while they took, refused, filed, deferred and bounced mail."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mailboxes.engine.logstream import LogFrames, LogLine
from mailboxes.maillog.daemons.event import Event
from mailboxes.maillog.following import PARSERS
from mailboxes.maillog.positions import moment

_HERE = Path(__file__).parent / "recorded"


def lines(service: str) -> list[LogLine]:
    """The recorded log of one container."""
    read = LogFrames()._line
    found = [read(line) for line in (_HERE / f"{service}.log").read_text(encoding="utf-8").splitlines()]
    return [line for line in found if line is not None]


def events() -> list[tuple[datetime, Event]]:
    """What the three logs say, in the order of time."""
    found = [
        (moment(line.at_ns), event)
        for service in PARSERS
        for line in lines(service)
        for event in PARSERS[service](line.text)
    ]
    return sorted(found, key=lambda one: one[0])


def at(second: int = 0) -> datetime:
    """A moment; they ascend with their numbers."""
    return datetime.fromtimestamp(1_796_022_000 + second, UTC)
