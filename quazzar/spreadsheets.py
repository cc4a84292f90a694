"""CSV that a spreadsheet shows as it is: no cell becomes a formula."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Where a formula may begin in a spreadsheet: with a cell, or after what separates cells there, because some countries'
#: spreadsheets split at a semicolon instead of a comma, whatever the quotes say
#: (https://owasp.org/www-community/attacks/CSV_Injection). The full-width forms count in some languages.
#: Each run of separators, spaces and quotes is read once, however long it is.
_FORMULA = re.compile(r"""(\A[;"\s]*+|(?<![;"\s])[;"\s]++)('*+)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])""")
_SEPARATOR = re.compile(r"[;\t\r\n]")


def guarded(text: str) -> str:
    """The text with an apostrophe in front of all that a spreadsheet would take for a formula.

    What already looks guarded gets one more apostrophe, so that ``unguarded`` always gives back the original.
    """
    return _FORMULA.sub(lambda found: f"{found[1]}'{found[2]}" if _begins_a_cell(found) else found[0], text)


def unguarded(text: str) -> str:
    """The original of a text that ``guarded`` returned."""
    return _FORMULA.sub(lambda found: found[1] + found[2][1:] if _begins_a_cell(found) else found[0], text)


def _begins_a_cell(found: re.Match[str]) -> bool:
    return not found.start() or _SEPARATOR.search(found[1]) is not None


def line(values: Iterable[str]) -> str:
    """One line of a file, each cell quoted and guarded, with its line break."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n", quoting=csv.QUOTE_ALL).writerow(map(guarded, values))
    return buffer.getvalue()
