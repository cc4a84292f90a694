"""Exports mailboxes as CSV without secrets. The import accepts it, and no cell is a formula in a spreadsheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailboxes.models import Mailbox
from quazzar import spreadsheets

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS = ("address", "quota_mb", "display_name", *Mailbox.switches(), "forward_to")


def export() -> Iterator[str]:
    """The lines of the file, each with its line break."""
    yield spreadsheets.line(COLUMNS)
    rows = Mailbox.objects.live().order_by("address").values_list(*COLUMNS)
    for values in rows.iterator(chunk_size=2000):
        yield spreadsheets.line(map(_cell, values))


def _cell(value: str | int | list[str]) -> str:
    """A column's value; several addresses have spaces between them, which no address contains."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(value) if isinstance(value, list) else str(value)
