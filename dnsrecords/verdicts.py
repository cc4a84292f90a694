"""The outcome of a check for one record."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a record stands; the words are those of the API."""

    UNCHECKED = "unchecked"
    OK = "ok"
    MISSING = "missing"
    MISMATCH = "mismatch"
    ERROR = "error"

    @property
    def word(self) -> str:
        """The status as the console shows it."""
        return _WORDS[self]


_WORDS = {
    Status.UNCHECKED: "Not checked",
    Status.OK: "OK",
    Status.MISSING: "Missing",
    Status.MISMATCH: "Different",
    Status.ERROR: "No answer",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one record stands, and what to do about it.

    Attributes:
        message: what is wrong and what to change. With `Status.OK` it is a remark, or empty.
        found: the published values that the verdict is about.
        advice: what to paste instead of the record's value; empty: paste that.
        left_out: what is published and the advice no longer has, each with the reason; the message names it too.
    """

    status: Status
    message: str = ""
    found: tuple[str, ...] = ()
    advice: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the record is right, so that nothing has to be done."""
        return self.status is Status.OK
