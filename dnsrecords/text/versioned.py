"""Records like ``v=STSv1; id=…``: MTA-STS (RFC 8461 §3.1), TLS-RPT (RFC 8460 §3); stricter than tag lists. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dnsrecords.text.taglists import shown

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
#: Of an extension: no equals sign, no semicolon, no space.
_VALUE = re.compile(r"[\x21-\x3a\x3c\x3e-\x7e]+")
_BLANKS = " \t"


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a record after its version, in their order.

    Attributes:
        errors: what breaks the grammar, each a clause that can follow "because".
    """

    fields: tuple[tuple[str, str], ...] = ()
    errors: tuple[str, ...] = ()

    def all(self, name: str) -> list[str]:
        """The values of every field with this name, which is case-sensitive."""
        return [value for field, value in self.fields if field == name]


def parse(text: str, own: str, *, several: bool = False) -> Fields:
    """Parses a record that starts with its version.

    Args:
        own: the field of which the record's kind has its own grammar.
        several: whether there may be more than one of it.
    """
    _, *pieces = text.split(";")
    if pieces and not pieces[-1].strip(_BLANKS):  # a semicolon at the end is allowed
        pieces.pop()
    fields: list[tuple[str, str]] = []
    errors: list[str] = []
    for piece in (piece.strip(_BLANKS) for piece in pieces):
        name, equals, value = piece.partition("=")
        if error := _error(piece, name, equals, value, own):
            errors.append(error)
        elif name == own and not several and any(field == own for field, _ in fields):
            errors.append(f"{own}= appears twice, which some senders refuse")
        else:
            fields.append((name, value))
    return Fields(tuple(fields), tuple(errors))


def _error(piece: str, name: str, equals: str, value: str, own: str) -> str:
    if not piece:
        return "there is nothing between two semicolons"
    if not equals:
        return f"{shown(piece)} is not a field of the form name=value"
    if name.strip(_BLANKS).lower() == own and name != own:
        return f"{own}= must be in lower case, without a space before the equals sign"
    if not _NAME.fullmatch(name):
        return f"{shown(name)} is not a valid field name"
    if name == own and value.strip(_BLANKS) != value:
        return f"there is a space after {own}="
    if name != own and not _VALUE.fullmatch(value):
        return f"the value of {name}= is empty, or has a character that is not allowed there"
    return ""
