"""Exports mailboxes as CSV without secrets. The import accepts it, and no cell is a formula in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from mailboxes.models import Mailbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

COLUMNS = ("address", "quota_mb", "display_name", "enabled")
#: What begins a formula in a spreadsheet; the full-width forms count in some languages.
_FORMULA = re.compile(r"'*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def export() -> Iterator[str]:
    """The lines of the file, each with its line break."""
    yield _line(COLUMNS)
    rows = Mailbox.objects.live().order_by("address").values_list(*COLUMNS)
    for address, quota_mb, display_name, enabled in rows.iterator(chunk_size=2000):
        yield _line([address, str(quota_mb), guarded(display_name), "true" if enabled else "false"])


def guarded(text: str) -> str:
    """The text with an apostrophe in front if a spreadsheet would take it for a formula.

    A text that already looks guarded gets one more apostrophe, so that ``unguarded`` always gives back the original.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """The original of a text that ``guarded`` returned."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _line(values: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(values)
    return buffer.getvalue()
