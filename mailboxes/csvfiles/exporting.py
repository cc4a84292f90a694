"""Exports mailboxes as CSV without secrets. The import accepts it, and no cell is a formula in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from mailboxes.models import Mailbox

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

COLUMNS = ("address", "quota_mb", "display_name", *Mailbox.switches(), "forward_to")
#: Where a formula may begin in a spreadsheet: with a cell, or after what separates cells there, because some countries'
#: spreadsheets split at a semicolon instead of a comma, whatever the quotes say
#: (https://owasp.org/www-community/attacks/CSV_Injection). The full-width forms count in some languages.
_FORMULA = re.compile(r"""((?:\A|[;\t\r\n])["\s]*)('*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])""")


def export() -> Iterator[str]:
    """The lines of the file, each with its line break."""
    yield _line(COLUMNS)
    rows = Mailbox.objects.live().order_by("address").values_list(*COLUMNS)
    for values in rows.iterator(chunk_size=2000):
        yield _line(map(_cell, values))


def guarded(text: str) -> str:
    """The text with an apostrophe in front of all that a spreadsheet would take for a formula.

    What already looks guarded gets one more apostrophe, so that ``unguarded`` always gives back the original.
    """
    return _FORMULA.sub(r"\1'\2", text)


def unguarded(text: str) -> str:
    """The original of a text that ``guarded`` returned."""
    return _FORMULA.sub(lambda found: found[1] + found[2][1:], text)


def _cell(value: str | int | list[str]) -> str:
    """A column's value; several addresses have spaces between them, which no address contains."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(value) if isinstance(value, list) else str(value)


def _line(values: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n", quoting=csv.QUOTE_ALL).writerow(map(guarded, values))
    return buffer.getvalue()
