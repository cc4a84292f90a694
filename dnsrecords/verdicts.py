"""What a check says about one record."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a record stands; the words that the API has."""

    UNCHECKED = "unchecked"
    OK = "ok"
    MISSING = "missing"
    MISMATCH = "mismatch"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one record stands, and what to do about it.

    Attributes:
        message: what is wrong and what to change. With `Status.OK` it is a remark, or empty.
        found: the values at that name that matter here, as they are published.
        advice: what to paste instead of the record's own value; empty: the record's own is right.
    """

    status: Status
    message: str = ""
    found: tuple[str, ...] = ()
    advice: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing has to be done."""
        return self.status is Status.OK


#: Before anybody has looked.
UNCHECKED = Verdict(Status.UNCHECKED)
