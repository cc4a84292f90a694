"""Reads a JSON object strictly, field by field, and collects what is wrong in sentences. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from quazzar import words as noticetext

_LARGEST = 2**63 - 1


class BodyReader:
    """One body. Optional fields may be absent or null; after reading, ``problems`` says what does not fit."""

    def __init__(self, body: object, known: Sequence[str]) -> None:
        self.problems: dict[str, list[str]] = {}
        self._is_object = isinstance(body, Mapping)
        self._body: Mapping[str, Any] = body if isinstance(body, Mapping) else {}
        if not self._is_object:
            self.wrong("body", "Send a JSON object.")
        for name in self._body:
            if name not in known:
                self.wrong(noticetext.one_line(str(name), 100), "This field is not known here.")

    def wrong(self, name: str, sentence: str) -> None:
        """Notes a problem."""
        self.problems.setdefault(name, []).append(sentence)

    def line(self, name: str, default: str = "", *, required: bool = False, most: int = 200) -> str:
        """A text of one line without control characters."""
        value = self._value(name, required=required)
        if value is None:
            return default
        if not isinstance(value, str):
            self.wrong(name, "This must be a text.")
        elif not noticetext.printable(value):
            self.wrong(name, "This must be one line, without line breaks or control characters.")
        elif len(value) > most:
            self.wrong(name, f"This can have {most} characters at most.")
        elif required and not value.strip():
            self.wrong(name, "This must not be empty.")
        else:
            return value.strip() or default
        return default

    def lines(self, name: str) -> str:
        """A text of any length and number of lines; what cannot be shown is left out."""
        value = self._value(name)
        if value is None or isinstance(value, str):
            return noticetext.lines(value or "")
        self.wrong(name, "This must be a text.")
        return ""

    def choice(self, name: str, choices: Sequence[str], default: str = "") -> str:
        """One of some words; required where there is no default."""
        value = self._value(name, required=not default)
        if value is None:
            return default
        if value not in choices:
            self.wrong(name, f"This must be one of {', '.join(choices)}.")
            return default
        return str(value)

    def time(self, name: str) -> datetime | None:
        """An RFC 3339 time."""
        value = self._value(name)
        if value is None:
            return None
        try:
            return noticetext.parse_time(value if isinstance(value, str) else "")
        except ValueError:
            self.wrong(name, "This must be a time with its zone, such as 2026-11-03T04:00:00Z.")
            return None

    def count(self, name: str) -> int | None:
        """A whole number that is not negative."""
        value = self._value(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
            self.wrong(name, "This must be a whole number, not negative.")
            return None
        return value

    def text_or_object(self, name: str) -> str | dict[str, Any]:
        """A text, or an object of anything."""
        value = self._value(name)
        if isinstance(value, dict):
            return value
        if value is not None and not isinstance(value, str):
            self.wrong(name, "This must be a text or an object.")
            return ""
        return noticetext.lines(value or "")

    def _value(self, name: str, *, required: bool = False) -> Any:
        value = self._body.get(name)
        if value is None and required and self._is_object:
            self.wrong(name, "This field is required.")
        return value
