"""Macros in SPF records (RFC 7208 §7): their grammar, and their expansion. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable

#: Letters that stand for something in a term; the last three only in the text that ``exp`` points to (§7.2).
LETTERS, EXP_LETTERS = "slodiphv", "crt"
_DELIMITERS = r"[.\-+,/_=]"
_EXPAND = rf"%\{{[{LETTERS}{EXP_LETTERS}](?!0+[r.\-+,/_=}}])[0-9]*r?{_DELIMITERS}*\}}|%%|%_|%-"
_LITERAL = r"[!-$&-~]"
_MACRO_STRING = re.compile(rf"(?:{_EXPAND}|{_LITERAL})*", re.IGNORECASE | re.ASCII)
_MACRO = re.compile(
    rf"%\{{(?P<letter>[a-z])(?P<digits>[0-9]*)(?P<reversed>r?)(?P<delimiters>{_DELIMITERS}*)\}}|%(?P<sign>[%_-])",
    re.IGNORECASE | re.ASCII,
)
_SIGNS = {"%": "%", "_": " ", "-": "%20"}
#: Characters that are never written as %xx (RFC 3986 §2.3, to which §7.3 refers).
_UNRESERVED = "-._~"
#: No value has more parts than this: what asks for more asks for all.
_MANY = 10_000


def is_macro_string(text: str) -> bool:
    """Whether a text is a macro-string of §7.1: visible ASCII, each ``%`` part of a macro."""
    return _MACRO_STRING.fullmatch(text) is not None


def has_macro(text: str) -> bool:
    """Whether a macro-string depends on who sends."""
    return "%" in text


def letters(text: str) -> frozenset[str]:
    """The letters whose values a macro-string needs, in lower case."""
    return frozenset(macro["letter"].lower() for macro in _MACRO.finditer(text) if macro["letter"])


def expand(text: str, value_of: Callable[[str], str]) -> str:
    """A macro-string with its macros replaced.

    Args:
        value_of: the value of a letter, which is in lower case.
    """

    def replaced(macro: re.Match[str]) -> str:
        if macro["sign"]:
            return _SIGNS[macro["sign"]]
        value = _transformed(value_of(macro["letter"].lower()), macro)
        return quote(value, safe=_UNRESERVED) if macro["letter"].isupper() else value

    return _MACRO.sub(replaced, text)


def _transformed(value: str, macro: re.Match[str]) -> str:
    parts = re.split(f"[{re.escape(macro['delimiters'] or '.')}]", value)
    if macro["reversed"]:
        parts.reverse()
    return ".".join(parts[-_count(macro["digits"]) :])


def _count(digits: str) -> int:
    # int() refuses thousands of digits, and a record may have them.
    bare = digits.lstrip("0")
    return min(int(bare or _MANY), _MANY) if len(bare) < 6 else _MANY
