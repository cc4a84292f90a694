"""What is learned from real schedules, from accidents, and from noise."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrelay.expected.learning import learn
from mailrelay.expected.schedules import describe, following
from tests.mailrelay.expected.histories import BERLIN, MONDAY, at, bursts, every, noise, on_days

REGULAR = {
    "cron's nightly backup": (on_days(21, 2, 4, jitter=4), "daily about 02:06", 20),
    "the first week of a nightly backup": (on_days(7, 2, 4), "daily about 02:04", 20),
    "daily around the change in spring": (
        on_days(40, 2, 4, start=date(2026, 3, 10)),
        "daily about 02:04",
        20,
    ),
    "daily around the change in autumn": (
        on_days(40, 2, 4, start=date(2026, 10, 5)),
        "daily about 02:04",
        20,
    ),
    "cron.daily with RandomizedDelaySec=1h": (on_days(30, 6, 0, jitter=60), "daily about 06:37", 60),
    "around midnight": (
        [time + timedelta(minutes=(-1) ** i * 6) for i, time in enumerate(on_days(14, 0, 0))],
        "daily about 00:00",
        20,
    ),
    "weekdays": (on_days(28, 18, 30, when=lambda day: day.weekday() < 5), "weekdays about 18:30", 20),
    "Monday, Wednesday, Friday": (
        on_days(35, 4, 0, when=lambda day: day.weekday() in (0, 2, 4)),
        "weekly on Monday, Wednesday and Friday about 04:00",
        20,
    ),
    "a scrub each Sunday": (
        on_days(42, 3, 10, when=lambda day: day.weekday() == 6),
        "weekly on Sunday about 03:10",
        20,
    ),
    "mdadm's check on the first Sunday": (
        on_days(150, 0, 57, when=lambda day: day.weekday() == 6 and day.day <= 7),
        "monthly on the first Sunday about 00:57",
        20,
    ),
    "the first of each month": (
        on_days(130, 5, 0, when=lambda day: day.day == 1),
        "monthly on the 1st about 05:00",
        20,
    ),
    "the last day of each month": (
        on_days(200, 23, 30, when=lambda day: (day + timedelta(days=1)).day == 1),
        "monthly on the last day about 23:30",
        20,
    ),
    "the last Friday of each month": (
        on_days(
            240, 12, 0, when=lambda day: day.weekday() == 4 and (day + timedelta(days=7)).month != day.month
        ),
        "monthly on the last Friday about 12:00",
        20,
    ),
    "hourly": (every(60, 40), "every hour", 10),
    "every six hours": (every(360, 20), "every 6 hours", 45),
    "Alertmanager's Watchdog": (every(5, 60, jitter=0.2), "every 5 minutes", 2),
    "counted from the end of the last run": (every(240, 30, jitter=4), "every 4 hours", 30),
    "three mails in each run": (
        [time + timedelta(minutes=minute) for time in on_days(14, 1, 0) for minute in (0, 2, 5)],
        "daily about 01:02",
        20,
    ),
    "two mails in each run, every two hours": (
        [time + timedelta(minutes=minute) for time in every(120, 25) for minute in (0, 1)],
        "every 2 hours",
        15,
    ),
}


@pytest.mark.parametrize("name", REGULAR)
def test_what_real_jobs_do_is_read_as_a_person_would(name: str) -> None:
    times, words, tolerance = REGULAR[name]
    found = learn(times, BERLIN)
    assert found is not None
    assert (describe(found.schedule), found.tolerance) == (words, tolerance)
    assert found.confidence >= 0.75


def test_a_job_that_keeps_its_place_over_a_year_outlives_both_changes_of_the_clock() -> None:
    found = learn(on_days(365, 2, 4)[-60:], BERLIN)
    assert found is not None
    assert describe(found.schedule) == "daily about 02:04"


NONE = {
    "nothing": [],
    "two reports": on_days(2, 2, 4),
    "a working week could be weekdays": on_days(5, 2, 4),
    "hourly, for one working day": every(60, 9, start=at(MONDAY, 9, 0)),
    "hourly on working days": [
        time for day in range(5) for time in every(60, 9, start=at(MONDAY + timedelta(days=day), 9, 0))
    ],
    "bans of a day": noise(60, 20),
    "bans of a month": noise(60, 700),
    "a failure now and then": noise(6, 9000),
    "bursts": bursts(6, 8),
    "one burst": bursts(1, 50),
    "all at once": [at(MONDAY, 3, 0)] * 40,
}


@pytest.mark.parametrize("name", NONE)
def test_what_has_no_period_gets_no_schedule(name: str) -> None:
    assert learn(NONE[name], BERLIN) is None


@pytest.mark.parametrize("seed", range(20))
def test_chance_is_not_taken_for_a_schedule(seed: int) -> None:
    for mean in (4, 30, 200, 1440, 5000):
        assert learn(noise(40, mean, seed), BERLIN) is None, mean


JOBS = st.sampled_from(
    [
        on_days(25, 2, 4, start=date(2026, 3, 15)),
        on_days(35, 18, 0, when=lambda day: day.weekday() < 5),
        every(60, 40),
        every(360, 30),
        every(30, 50, jitter=1),
    ]
)


@given(JOBS, st.integers(min_value=0), st.sampled_from(["missing", "twice", "by hand", "off for a while"]))
def test_one_accident_changes_nothing(times: list[datetime], where: int, accident: str) -> None:
    index = 1 + where % (len(times) - 2)
    harmed = list(times)
    if accident == "missing":
        del harmed[index]
    elif accident == "twice":
        harmed.insert(index, harmed[index] + timedelta(seconds=20))
    elif accident == "by hand":
        harmed.insert(index + 1, harmed[index] + (harmed[index + 1] - harmed[index]) / 3)
    else:
        del harmed[index : index + 2]
    whole, found = learn(times, BERLIN), learn(harmed, BERLIN)
    assert whole is not None and found is not None
    assert describe(found.schedule) == describe(whole.schedule)


@pytest.mark.slow
@given(
    hour=st.integers(0, 23),
    minute=st.integers(0, 59),
    start=st.dates(date(2025, 1, 1), date(2027, 1, 1)),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
    jitter=st.integers(0, 8),
)
def test_a_daily_job_is_found_anywhere_and_is_never_late_when_it_is_not(
    hour: int, minute: int, start: date, zone: str, jitter: int
) -> None:
    here = ZoneInfo(zone)

    def run(day: int) -> datetime:
        wall = datetime.combine(start + timedelta(days=day), datetime.min.time(), here)
        return wall.replace(hour=hour, minute=minute).astimezone(UTC) + timedelta(
            minutes=day * 7 % (jitter + 1)
        )

    found = learn([run(day) for day in range(30)], here)
    assert found is not None and describe(found.schedule).startswith("daily about ")
    for day in range(30, 400):
        due = following(found.schedule, timedelta(minutes=found.tolerance), run(day - 1), here)
        assert run(day) <= due.late_at < run(day) + timedelta(hours=3)


@given(
    st.lists(st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)), max_size=60)
)
def test_any_times_at_all_give_a_schedule_or_none(times: list[datetime]) -> None:
    found = learn(times, BERLIN)
    if found is not None:
        assert 0 < found.confidence <= 1 and found.tolerance > 0
        assert following(found.schedule, timedelta(), max(times), BERLIN).at > max(times)
