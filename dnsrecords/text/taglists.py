"""Lists of tags as DKIM keys, DMARC policies and their relatives are written: ``v=DKIM1; k=rsa; p=…``. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What may stand around a name, an equals sign and a value; folding is for header fields, but allowed here too.
BLANKS = " \t\r\n"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_VALUE = re.compile(r"[\x21-\x3a\x3c-\x7e \t\r\n]*")
#: Characters of a piece of a record that a sentence shows.
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class TagList:
    """The tags of a record in their order, and what breaks its grammar (RFC 6376 §3.2).

    Attributes:
        tags: (name, value); of a name that is there twice, the first.
        errors: each a clause that can follow "The record is invalid: ".
        repeated: (name, value) of each further tag with a name that was there before; also among the errors.
        damaged: (name, value) of each tag whose value has a character that is not allowed; also among the errors.
    """

    tags: tuple[tuple[str, str], ...] = ()
    errors: tuple[str, ...] = ()
    repeated: tuple[tuple[str, str], ...] = ()
    damaged: tuple[tuple[str, str], ...] = ()

    def __contains__(self, name: str) -> bool:
        return any(tag == name for tag, _ in self.tags)

    def get(self, name: str, default: str = "") -> str:
        """The value of a tag."""
        return next((value for tag, value in self.tags if tag == name), default)

    def first(self) -> str:
        """The name of the tag that stands first; empty if there is none."""
        return self.tags[0][0] if self.tags else ""


def parse(text: str, *, any_case: bool = False) -> TagList:
    """Parses any text: what cannot be read is among the errors, the rest among the tags.

    Args:
        any_case: names may be written in capitals; they are lowered here. In DKIM keys they may not.
    """
    if not text.strip(BLANKS):
        return TagList(errors=("it is empty",))
    *specs, last = text.split(";")
    if last.strip(BLANKS):  # a semicolon at the end is allowed
        specs.append(last)
    tags: dict[str, str] = {}
    errors: list[str] = []
    repeated: list[tuple[str, str]] = []
    damaged: list[tuple[str, str]] = []
    for spec in specs:
        name, equals, value = (part.strip(BLANKS) for part in spec.partition("="))
        name = name.lower() if any_case else name
        error = _error(name, equals, value)
        if not error and name in tags:
            error = f"the tag {name}= appears twice"
            repeated.append((name, value))
        elif error and _NAME.fullmatch(name) and equals:
            damaged.append((name, value))
        if error:
            errors.append(error)
        else:
            tags[name] = value
    return TagList(tuple(tags.items()), tuple(dict.fromkeys(errors)), tuple(repeated), tuple(damaged))


def rendered(tags: Iterable[tuple[str, str]]) -> str:
    """Tags as a record: one space after each semicolon."""
    return "; ".join(f"{name}={value}" for name, value in tags)


def _error(name: str, equals: str, value: str) -> str:
    if not name and not equals:
        return "there is nothing between two semicolons"
    if not equals:
        return f"{shown(name)} is not a tag of the form name=value"
    if not _NAME.fullmatch(name):
        return f"{shown(name)} is not a valid tag name"
    if not _VALUE.fullmatch(value):
        return f"the value of {name}= contains a character that is not allowed there"
    return ""


def printable(text: str) -> str:
    """A piece of a record as it is, with a mark for each character that a sentence cannot show."""
    return "".join(
        character if " " <= character <= "~" else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def shown(text: str) -> str:
    """A piece of a record in a sentence: quoted, and cut off if it is long."""
    # DNS carries bytes; they are kept as Latin-1, and what an operator typed was most likely UTF-8.
    return ascii(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
