"""What apps contribute to a backup: their data outside of the database, and what happens after a restore."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from quazzar.backups.archive import Member, Writer


@dataclass(frozen=True)
class Part:
    """Data outside of the database, in a folder of its own in the archive.

    Attributes:
        name: the folder, and the option of the command.
        help: of that option.
        size: estimates how many bytes it has.
        save: adds its members, whose names begin with ``name/``.
        check: raises ``NodeNotEmpty`` if there is something in its place; called before anything is changed.
        fill: puts all of its members in place. The argument is whether what is there is to be removed first.
    """

    name: str
    help: str
    size: Callable[[], int]
    save: Callable[[Writer], None]
    check: Callable[[], None]
    fill: Callable[[Iterator[Member], bool], None]


@dataclass(frozen=True)
class Report:
    """How a backup ended.

    Attributes:
        size: bytes; None if there is no file.
        message: what is in it, or why it failed.
    """

    succeeded: bool
    started_at: datetime
    finished_at: datetime
    size: int | None
    message: str


_parts: dict[str, Part] = {}
_settlers: list[Callable[[], None]] = []
_reporters: list[Callable[[Report], object]] = []


def register(part: Part) -> None:
    """Add a part; a second one of the same name replaces the first."""
    _parts[part.name] = part


def after_restore(settle: Callable[[], None]) -> None:
    """Call this after the transaction that restores the rows, before anything runs."""
    _settlers.append(settle)


def on_report(reporter: Callable[[Report], object]) -> None:
    """Call this with how each backup ended."""
    _reporters.append(reporter)


def unfinished() -> Path:
    """The file that is there while a restore is under way, and after it was killed."""
    return Path(settings.QUAZZAR_DATA_DIR) / "restore.unfinished"


def parts() -> dict[str, Part]:
    """Every part by its name."""
    return dict(_parts)


def settle() -> None:
    """Turns the restored rows into those of a node that is starting."""
    for each in _settlers:
        each()


def report(result: Report) -> None:
    """Reports how a backup ended."""
    for each in _reporters:
        each(result)
