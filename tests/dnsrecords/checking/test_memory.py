"""What is news about a record, and what is not."""

from __future__ import annotations

import pytest

from dnsrecords.checking.results import ERRORS_BEFORE_NEWS, Memory
from dnsrecords.verdicts import Status

OK, MISSING, MISMATCH, ERROR = Status.OK, Status.MISSING, Status.MISMATCH, Status.ERROR


def heard(*statuses: Status) -> list[str]:
    """What the operator is mailed after checks with these results, one after the other."""
    memory = Memory()
    events: list[str] = []
    for status in statuses:
        memory, event = memory.after(status)
        events.append(event)
    return events


def test_what_was_never_right_is_no_news() -> None:
    assert heard(MISSING, MISMATCH, ERROR, MISSING, OK) == [""] * 5


@pytest.mark.parametrize("bad", [MISSING, MISMATCH])
def test_what_breaks_is_told_once_and_so_is_its_recovery(bad: Status) -> None:
    assert heard(OK, bad, bad, MISMATCH, OK, OK) == ["", "broken", "", "", "recovered", ""]


def test_it_may_break_again() -> None:
    assert heard(OK, MISSING, OK, MISSING) == ["", "broken", "recovered", "broken"]


def test_servers_that_are_silent_once_are_no_news() -> None:
    assert heard(OK, *[ERROR] * (ERRORS_BEFORE_NEWS - 1), OK) == [""] * (ERRORS_BEFORE_NEWS + 1)


def test_servers_that_stay_silent_are() -> None:
    assert heard(OK, *[ERROR] * ERRORS_BEFORE_NEWS) == [*[""] * ERRORS_BEFORE_NEWS, "broken"]


def test_a_record_without_a_value_is_left_alone() -> None:
    assert Memory(was_ok=True).after(Status.UNCHECKED) == (Memory(was_ok=True), "")
