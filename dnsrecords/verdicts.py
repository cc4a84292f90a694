"""The outcome of a check for one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dnsrecords.records.record import Record


class Status(StrEnum):
    """How a record stands; the words are those of the API."""

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
        found: the published values that the verdict is about.
        advice: what to paste instead of the record's value; empty: paste that.
    """

    status: Status
    message: str = ""
    found: tuple[str, ...] = ()
    advice: str = ""

    @property
    def ok(self) -> bool:
        """Whether the record is right, so that nothing has to be done."""
        return self.status is Status.OK


def to_publish(record: Record, status: Status, found: Sequence[str], advice: str) -> Record:
    """A record with the value that is to be published, wherever that is shown, given out or published.

    Advice keeps what others have put into a record, such as senders in SPF. Without any, a text that is right stays
    as it is: the record's own value would take away what it says besides.
    """
    right = found[0] if status is Status.OK and record.type == "TXT" and len(found) == 1 else ""
    return replace(record, value=advice or right or record.value)
