"""Mailboxes as CSV without secrets, which the import takes as it is and a spreadsheet cannot take for formulas."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from mailboxes.provisioning.mailboxes import live

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

COLUMNS = ("address", "quota_mb", "display_name", "enabled")
#: What a spreadsheet takes for the beginning of a formula; the wide forms count in some languages.
_FORMULA = re.compile(r"'*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def export() -> Iterator[str]:
    """The lines of the file, one by one."""
    yield _line(COLUMNS)
    rows = live().order_by("address").values_list(*COLUMNS)
    for address, quota_mb, display_name, enabled in rows.iterator(chunk_size=2000):
        yield _line([address, str(quota_mb), guarded(display_name), "true" if enabled else "false"])


def guarded(text: str) -> str:
    """The text with an apostrophe before what would be a formula. ``unguarded`` takes it away again: texts that
    begin so by themselves get one more, so that each comes back as it was."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """The text as it was before ``guarded``."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _line(values: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(values)
    return buffer.getvalue()
