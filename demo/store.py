"""Captured mail: one file for each, with its envelope as JSON on the first line, named by the time it came."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

#: Older ones are deleted, so that a forgotten demo does not fill the disk.
KEPT = 2_000
_SUFFIX = ".mail"


@dataclass(frozen=True, slots=True)
class Captured:
    """A mail that would have been sent.

    Attributes:
        number: identifies it; later ones have larger numbers.
        sender: the envelope sender; empty for the null sender.
        recipients: the envelope recipients.
        data: the mail, or the beginning of it.
    """

    number: int
    sender: str
    recipients: tuple[str, ...]
    data: bytes = field(repr=False)

    @property
    def at(self) -> datetime:
        """When the relay accepted it, in UTC: the number is that time in nanoseconds."""
        return datetime.fromtimestamp(self.number / 1e9, UTC)


def keep(folder: Path, sender: str, recipients: Sequence[str], data: bytes) -> int:
    """Store a mail and return its number."""
    envelope = json.dumps({"from": sender, "to": [*recipients]}).encode()
    handle, name = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "wb") as file:
        file.write(envelope + b"\n" + data)
    number = _put(folder, Path(name), time.time_ns())  # whole, or not there at all
    for old in _numbers(folder)[KEPT:]:
        _file(folder, old).unlink(missing_ok=True)
    return number


def move(folder: Path, number: int, at: datetime) -> None:
    """Backdate a mail: the demo tells the story of last week."""
    _put(folder, _file(folder, number), int(at.timestamp() * 1e9))


def _put(folder: Path, file: Path, number: int) -> int:
    while (place := _file(folder, number)).exists():
        number += 1
    file.replace(place)
    return number


def listed(folder: Path, most: int, before: int | None = None) -> list[Captured]:
    """The newest ones, without the end of long ones.

    Args:
        before: only mails captured before this one.
    """
    numbers = [number for number in _numbers(folder) if before is None or number < before]
    found = (_read(folder, number, 32 * 1024) for number in numbers[:most])
    return [mail for mail in found if mail is not None]


def newer(folder: Path, than: int) -> list[Captured]:
    """Those captured after this one, without the end of long ones."""
    found = (_read(folder, number, 32 * 1024) for number in _numbers(folder) if number > than)
    return [mail for mail in found if mail is not None]


def find(folder: Path, number: int) -> Captured | None:
    """One complete mail; None if there is none."""
    return _read(folder, number)


def _read(folder: Path, number: int, most: int = -1) -> Captured | None:
    try:
        with _file(folder, number).open("rb") as file:
            envelope = json.loads(file.readline())
            return Captured(number, envelope["from"], tuple(envelope["to"]), file.read(most))
    except FileNotFoundError:
        return None


def _numbers(folder: Path) -> list[int]:
    names = (entry.name.removesuffix(_SUFFIX) for entry in os.scandir(folder) if entry.name.endswith(_SUFFIX))
    return sorted((int(name) for name in names if name.isdigit()), reverse=True)


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:020d}{_SUFFIX}"
