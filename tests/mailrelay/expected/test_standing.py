"""When a watched report is late, failed or back, and when its operator is mailed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from mailrelay.expected.schedules import EVERY_DAY, Every, Schedule, Weekly
from mailrelay.expected.standing import Known, step
from tests.mailrelay.expected.histories import BERLIN, at

DAY = date(2026, 11, 3)
NIGHTLY = Weekly(EVERY_DAY, 124)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def known(last: datetime, schedule: Schedule = NIGHTLY, **facts: object) -> Known:
    """A report that came at ``last`` and was on time then."""
    fresh = Known(schedule, 20 * MINUTE, counted_from=last, state="on_time", since=last, last_at=last)
    return step(replace(fresh, **facts), last + MINUTE, BERLIN)[0]  # type: ignore[arg-type]


def at_night(day: date = DAY) -> datetime:
    return at(day, 2, 5)


def test_a_report_is_late_after_its_tolerance_and_that_is_said_once() -> None:
    seen = known(at_night())
    due = at(date(2026, 11, 4), 2, 4)
    assert (seen.due_at, seen.late_at, seen.look_at) == (due, due + 20 * MINUTE, due + 20 * MINUTE)
    early, news = step(seen, due + 19 * MINUTE, BERLIN)
    assert (early.state, news) == ("on_time", "")
    late, news = step(seen, due + 20 * MINUTE, BERLIN)
    assert (late.state, late.since, late.look_at, news) == ("late", seen.late_at, None, "late")
    again, news = step(late, due + 5 * HOUR, BERLIN)
    assert (again.state, again.since, news) == ("late", seen.late_at, "")
    back, news = step(replace(late, last_at=due + 6 * HOUR), due + 6 * HOUR, BERLIN)
    assert (back.state, back.due_at, news) == ("on_time", at(date(2026, 11, 5), 2, 4), "back")
    assert step(back, due + 7 * HOUR, BERLIN)[1] == ""


def test_a_failure_is_said_once_and_so_is_the_success_after_it() -> None:
    seen = replace(known(at_night()), last_at=at_night(date(2026, 11, 4)), last_ok=False)
    failed, news = step(seen, at_night(date(2026, 11, 4)), BERLIN)
    assert (failed.state, news, failed.look_at) == ("failed", "failed", failed.late_at)
    twice, news = step(
        replace(failed, last_at=at_night(date(2026, 11, 5))), at_night(date(2026, 11, 5)), BERLIN
    )
    assert (twice.state, twice.since, news) == ("failed", failed.since, "")
    well = replace(twice, last_at=at_night(date(2026, 11, 6)), last_ok=True)
    assert step(well, at_night(date(2026, 11, 6)), BERLIN)[1] == "back"


def test_after_a_failure_a_report_can_still_be_late() -> None:
    failed = replace(known(at_night()), last_ok=False, told="failed", state="failed")
    assert step(failed, at(date(2026, 11, 4), 3, 0), BERLIN)[1] == "late"


def test_a_run_by_hand_does_not_stand_for_the_next_one() -> None:
    seen = replace(known(at_night()), last_at=at(DAY, 15, 0))
    assert step(seen, at(DAY, 15, 0), BERLIN)[0].due_at == at(date(2026, 11, 4), 2, 4)


def test_a_report_that_is_early_stands_for_its_own_time() -> None:
    seen = replace(known(at_night()), last_at=at(date(2026, 11, 4), 1, 10))
    assert step(seen, at(date(2026, 11, 4), 1, 10), BERLIN)[0].due_at == at(date(2026, 11, 5), 2, 4)


@pytest.mark.parametrize(
    ("last", "due", "late"),
    [
        # 02:04 comes twice: cron may mean either.
        (at(date(2026, 10, 24), 2, 4), at(date(2026, 10, 25), 2, 4), at(date(2026, 10, 25), 2, 24, fold=1)),
        # 02:04 does not exist: an hour later.
        (at(date(2026, 3, 28), 2, 4), at(date(2026, 3, 29), 3, 4), at(date(2026, 3, 29), 3, 24)),
    ],
)
def test_on_the_days_on_which_the_clock_changes_nobody_is_woken_for_nothing(
    last: datetime, due: datetime, late: datetime
) -> None:
    seen = known(last)
    assert (seen.due_at, seen.late_at) == (due, late)


def test_six_hours_by_the_clock_on_the_wall_are_seven_in_autumn() -> None:
    seen = known(at(date(2026, 10, 25), 0, 0), Every(360))
    assert seen.late_at == at(date(2026, 10, 25), 6, 20)
    assert known(at(date(2026, 10, 24), 0, 0), Every(360)).late_at == at(date(2026, 10, 24), 6, 20)


def test_a_node_that_was_off_when_it_was_due_waits_the_tolerance_from_its_start() -> None:
    seen, start = known(at_night()), at(date(2026, 11, 4), 9, 0)
    off_since = at(date(2026, 11, 4), 1, 0)
    waits, news = step(seen, start, BERLIN, off_since=off_since)
    assert (waits.state, waits.late_at, news) == ("on_time", start + 20 * MINUTE, "")
    assert step(waits, start + 19 * MINUTE, BERLIN)[1] == ""
    assert step(waits, start + 20 * MINUTE, BERLIN)[1] == "late"
    # It was late before the node went off.
    assert step(seen, start, BERLIN, off_since=at(date(2026, 11, 4), 4, 0))[1] == "late"


def test_a_clock_that_is_put_back_does_not_put_off_the_next_one_for_ever() -> None:
    future = at(date(2027, 5, 1), 2, 4)
    seen = known(future, Every(60))
    now = at(DAY, 12, 0)
    assert step(seen, now, BERLIN, off_since=now)[0].due_at == now + HOUR


def test_what_is_muted_is_mailed_when_the_quiet_is_over_if_it_is_still_late() -> None:
    until = at(date(2026, 11, 6), 0, 0)
    seen = known(at_night(), muted_until=until)
    quiet, news = step(seen, at(date(2026, 11, 4), 3, 0), BERLIN)
    assert (quiet.state, quiet.told, quiet.look_at, news) == ("late", "", until, "")
    assert step(quiet, until, BERLIN)[1] == "late"
    well = replace(quiet, last_at=at(date(2026, 11, 4), 4, 0))
    assert step(well, at(date(2026, 11, 4), 4, 0), BERLIN)[1] == ""


def test_what_cannot_be_mailed_is_mailed_as_soon_as_it_can() -> None:
    now = at(date(2026, 11, 4), 3, 0)
    unsaid, news = step(known(at_night()), now, BERLIN, can_mail=False)
    assert (unsaid.state, unsaid.look_at, news) == ("late", now + 15 * MINUTE, "")
    assert step(unsaid, now + 15 * MINUTE, BERLIN)[1] == "late"


def test_what_was_declared_by_hand_is_waited_for_and_can_be_late() -> None:
    start = at(DAY, 12, 0)
    new = Known(Every(60), 5 * MINUTE, counted_from=start)
    waiting, news = step(new, start, BERLIN)
    assert (waiting.state, waiting.due_at, news) == ("waiting", start + HOUR, "")
    assert step(waiting, start + HOUR + 5 * MINUTE, BERLIN)[1] == "late"
