"""Reads a CSV of mailboxes into rows with line numbers, and checks everything that needs no database. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter

from mailboxes.models import Mailbox
from mailboxes.provisioning import addresses, foreignhashes, rules
from quazzar import spreadsheets, words
from quazzar.errors import InvalidFields
from quazzar.validation import Wrong

COLUMNS = (
    *("address", "password", "quota_mb", "display_name", "enabled", "password_hash"),
    *("can_send", "can_receive", "keep_copy", "forward_to"),
)
MOST_ROWS = 100_000
#: Bytes.
LARGEST_FILE = 20 * 1024 * 1024
#: The most sentences to show; the others are only counted.
MOST_SHOWN = 100
_BETWEEN = re.compile(r"[\s,;]+")
_FLAGS = {"": True, "true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Row:
    """One line of the file: a mailbox to add."""

    line: int
    address: str
    password: str = field(repr=False)
    quota_mb: int
    display_name: str
    enabled: bool
    #: As the users file holds it; empty if the password came in plain, or not at all.
    password_hash: str = field(default="", repr=False)
    can_send: bool = True
    can_receive: bool = True
    keep_copy: bool = True
    forward_to: tuple[str, ...] = ()


class Errors:
    """Collects sentences about the lines of a file."""

    def __init__(self) -> None:
        self._sentences: list[tuple[int, str]] = []
        #: Line → address that could be read there, of lines that have another error.
        self.addresses: dict[int, str] = {}

    def add(self, line: int, sentence: str) -> None:
        """Adds a sentence about a line."""
        self._sentences.append((line, sentence))

    def raise_if_any(self) -> None:
        """Ends the check.

        Raises:
            InvalidFields: with the sentences in the order of their lines, under ``rows``, if there are any.
        """
        if not self._sentences:
            return
        ordered = sorted(self._sentences, key=itemgetter(0))
        shown = [f"line {line}: {sentence}" for line, sentence in ordered[:MOST_SHOWN]]
        if more := len(ordered) - len(shown):
            shown.append(f"And {words.count(more, 'more error')}.")
        raise InvalidFields({"rows": shown})


def read(data: bytes, errors: Errors) -> list[Row]:
    """The valid rows; sentences about the others are added to ``errors``.

    Raises:
        InvalidFields: the file as a whole cannot be read.
    """
    lines = _lines(_text(data))
    columns = _header(lines)
    rows: list[Row] = []
    try:
        for number, (line, cells) in enumerate(lines):
            if number >= MOST_ROWS:
                raise _unusable(f"line {line}: one file can contain at most {MOST_ROWS} mailboxes.")
            if len(cells) != len(columns):
                errors.add(line, f"expected {len(columns)} values, as in line 1, but found {len(cells)}.")
            elif row := _row(line, dict(zip(columns, cells, strict=True)), errors):
                rows.append(row)
    except _BrokenLine as exc:
        errors.add(exc.line, str(exc))
    return rows


class _BrokenLine(ValueError):
    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__("the quotation marks do not match, so the lines after it were not read.")


def _unusable(sentence: str) -> InvalidFields:
    return InvalidFields({"rows": [sentence]})


def _text(data: bytes) -> str:
    if len(data) > LARGEST_FILE:
        raise _unusable(f"The file is too large. The limit is {words.size(LARGEST_FILE)}.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        # Raised below, because chained to this exception it would carry the whole file with all passwords.
        sentence = f"line {line}: this is not UTF-8. Save the file as CSV with UTF-8 encoding."
    raise _unusable(sentence)


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Number and cells of each line that is not empty."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error:
            raise _BrokenLine(line) from None  # its message may quote the line
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield line, cells


def _header(lines: Iterator[tuple[int, list[str]]]) -> list[str]:
    try:
        line, cells = next(lines, (1, []))
    except _BrokenLine as exc:
        raise _unusable(f"line {exc.line}: {exc}") from exc
    columns = [cell.strip().lower() for cell in cells]
    expected = f"The first line names the columns, separated by commas: {', '.join(COLUMNS)}"
    if "address" not in columns:
        raise _unusable(f"line {line}: {expected}; only address is required.")
    if unknown := [name for name in columns if name not in COLUMNS]:
        raise _unusable(f"line {line}: there is no column {unknown[0][:40]!r}. {expected}.")
    if len(set(columns)) < len(columns):
        raise _unusable(f"line {line}: a column appears twice. {expected}.")
    return columns


def _row(line: int, cells: dict[str, str], errors: Errors) -> Row | None:
    wrong = Wrong()
    address = wrong.checked("address", _address, spreadsheets.unguarded(cells["address"]), default="")
    quota_mb = wrong.checked("quota_mb", _quota, cells.get("quota_mb", ""), default=0)
    name = spreadsheets.unguarded(cells.get("display_name", "").strip())
    display_name = wrong.checked("display_name", rules.display_name, name, default="")
    switches = {
        name: wrong.checked(name, partial(_flag, name), cells.get(name, ""), default=True)
        for name in Mailbox.switches()
    }
    forward_to = _forward_to(wrong, cells.get("forward_to", ""), address)
    password = cells.get("password", "")
    wrong.add("password", *_password(password, address))
    password_hash = wrong.checked("password_hash", _password_hash, cells.get("password_hash", ""), default="")
    if password and cells.get("password_hash", "").strip():
        wrong.add("password_hash", "Enter the password or its hash, not both.")
    for sentences in wrong.fields.values():
        for sentence in sentences:
            errors.add(line, sentence)
    if wrong.fields:
        if address:
            errors.addresses[line] = address
        return None
    return Row(
        line,
        address,
        password,
        quota_mb,
        display_name,
        password_hash=password_hash,
        forward_to=forward_to,
        **switches,
    )


def _address(cell: str) -> str:
    return "@".join(addresses.split(cell.strip()))


def _quota(cell: str) -> int:
    digits = cell.strip() or "0"
    return rules.quota(int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 12 else None)


def _flag(column: str, cell: str) -> bool:
    word = cell.strip().lower()
    if word not in _FLAGS:
        raise ValueError(f"{column.capitalize()} must be true or false.")
    return _FLAGS[word]


def _forward_to(wrong: Wrong, cell: str, address: str) -> tuple[str, ...]:
    """The addresses in a cell, with spaces, commas or semicolons between them."""
    written = [text for text in _BETWEEN.split(spreadsheets.unguarded(cell.strip())) if text]
    try:
        return tuple(rules.forward_to(written, address))
    except InvalidFields as exc:
        wrong.add("forward_to", *exc.fields["destinations"])
        return ()


def _password(cell: str, address: str) -> list[str]:
    if foreignhashes.is_foreign(cell) or foreignhashes.is_bare_digest(cell):
        return [
            "This is a password hash. Enter the password itself, leave it empty and set one later, or put "
            "the hash into the column password_hash."
        ]
    return rules.password(cell, address) if cell else []


def _password_hash(cell: str) -> str:
    return foreignhashes.stored(cell) if cell.strip() else ""
