"""When a report is due: the kinds of schedules, their next times, and how people read them. Pure."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
KINDS = ("every", "daily", "weekdays", "weekly", "monthly")
WEEKS = ("first", "second", "third", "fourth", "last")
EVERY_DAY, WORKDAYS = frozenset(range(7)), frozenset(range(5))
#: A year: nothing rarer is watched.
MOST_MINUTES = 366 * 1440
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
#: ``Monthly.week`` of the last one in the month.
LAST = 5
_DAY = timedelta(days=1)
#: A report this early still counts for the next time: a sender that ignores daylight saving is an hour off.
_EARLY = timedelta(minutes=65)
#: How many days back the time before the next one is found.
_WEEK, _FIVE_WEEKS = timedelta(days=8), timedelta(days=38)


@dataclass(frozen=True, slots=True)
class Every:
    """A fixed number of minutes after the last one."""

    minutes: int


@dataclass(frozen=True, slots=True)
class Weekly:
    """On these days of the week (0 is Monday), at this minute of the day."""

    days: frozenset[int]
    at: int


@dataclass(frozen=True, slots=True)
class Monthly:
    """Once a month, at this minute of the day.

    Attributes:
        day: of the month, 1 to 31; where a month is shorter, its last one. 0: by week and weekday.
        week: 1 to 4, or ``LAST``: which of the month's weekdays it is.
        weekday: 0 is Monday.
    """

    at: int
    day: int = 0
    week: int = 0
    weekday: int = 0


Schedule = Every | Weekly | Monthly


@dataclass(frozen=True, slots=True)
class Due:
    """When the next report is expected, and from when on it is late."""

    at: datetime
    late_at: datetime


def following(schedule: Schedule, tolerance: timedelta, seen: datetime, zone: tzinfo) -> Due:
    """When the next report is due after one at ``seen`` (or after the watch began then); all times are in UTC."""
    if isinstance(schedule, Every):
        at = seen + timedelta(minutes=schedule.minutes)
        return Due(at, at + tolerance + _longer_hour(schedule, seen, at, zone))
    back = _WEEK if isinstance(schedule, Weekly) else _FIVE_WEEKS
    for before, slot in pairwise(_slots(schedule, seen.astimezone(zone).date() - back, zone)):
        early = min(max(tolerance, _EARLY), (slot - before) / 2)
        if slot - early > seen:
            return Due(slot, _second(slot, zone) + tolerance)
    raise AssertionError("a schedule never ends")


def fits(schedule: Schedule, day: date) -> bool:
    """Whether a calendar schedule has a time on this day."""
    match schedule:
        case Weekly(days=days):
            return day.weekday() in days
        case Monthly(day=0, week=week, weekday=weekday):
            return day.weekday() == weekday and week in (-(-day.day // 7), _last_week(day))
        case Monthly(day=wanted):
            return day.day == min(wanted, calendar.monthrange(day.year, day.month)[1])
    return True


def _last_week(day: date) -> int:
    return LAST if (day + timedelta(days=7)).month != day.month else 0


def _slots(schedule: Weekly | Monthly, start: date, zone: tzinfo) -> Iterator[datetime]:
    """The times of a calendar schedule, in UTC.

    A time that the clock skips in spring is an hour later; of a time that occurs twice in autumn, the first
    counts.
    """
    day = start
    while True:
        if fits(schedule, day):
            hour, minute = divmod(schedule.at, 60)
            yield datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).astimezone(UTC)
        day += _DAY


def _second(slot: datetime, zone: tzinfo) -> datetime:
    """The second occurrence of the same time on the day on which clocks go back: cron may mean either."""
    again = slot.astimezone(zone).replace(fold=1).astimezone(UTC)
    return max(slot, again)


def _longer_hour(schedule: Every, seen: datetime, at: datetime, zone: tzinfo) -> timedelta:
    """The extra hour that an interval in wall-clock time gets when the clocks go back."""
    if schedule.minutes % 60 or schedule.minutes == 60:
        return timedelta()
    before, after = seen.astimezone(zone).utcoffset(), at.astimezone(zone).utcoffset()
    return max(timedelta(), (before or timedelta()) - (after or timedelta()))


# --- in words


def describe(schedule: Schedule) -> str:
    """``daily about 02:04``, ``every 6 hours``, ``monthly on the first Sunday about 00:57``."""
    match schedule:
        case Every(minutes=minutes):
            return f"every {_span(minutes)}"
        case Weekly(days=days, at=at):
            return f"{_days(days)} about {clock(at)}"
        case Monthly(day=0, week=week, weekday=weekday, at=at):
            return f"monthly on the {WEEKS[week - 1]} {DAYS[weekday]} about {clock(at)}"
        case Monthly(day=31, at=at):
            return f"monthly on the last day about {clock(at)}"
        case Monthly(day=day, at=at):
            return f"monthly on the {_ordinal(day)} about {clock(at)}"


def clock(minute: int) -> str:
    """A minute of the day as 02:04."""
    return f"{minute // 60:02}:{minute % 60:02}"


def tolerance_in_words(minutes: int) -> str:
    """``20 min``, ``3 h``, ``90 min``, ``2 days``."""
    if minutes % 1440 == 0 and minutes > 1440:
        return f"{minutes // 1440} days"
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


def _span(minutes: int) -> str:
    for size, noun in ((10080, "week"), (1440, "day"), (60, "hour"), (1, "minute")):
        if minutes % size == 0:
            return noun if minutes == size else f"{minutes // size} {noun}s"
    raise AssertionError(minutes)


def _days(days: frozenset[int]) -> str:
    if days == EVERY_DAY:
        return "daily"
    if days == WORKDAYS:
        return "weekdays"
    *most, last = [DAYS[day] for day in sorted(days)]
    return f"weekly on {', '.join(most)} and {last}" if most else f"weekly on {last}"


def _ordinal(day: int) -> str:
    ending = "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


# --- as stored


def as_json(schedule: Schedule) -> dict[str, object]:
    """The schedule as the rows and the API have it: ``kind`` and what belongs to that kind."""
    match schedule:
        case Every(minutes=minutes):
            return {"kind": "every", "minutes": minutes}
        case Weekly(days=days, at=at) if days == EVERY_DAY:
            return {"kind": "daily", "at": clock(at)}
        case Weekly(days=days, at=at) if days == WORKDAYS:
            return {"kind": "weekdays", "at": clock(at)}
        case Weekly(days=days, at=at):
            return {"kind": "weekly", "days": [DAYS[day].lower() for day in sorted(days)], "at": clock(at)}
        case Monthly(day=0, week=week, weekday=weekday, at=at):
            by = {"week": WEEKS[week - 1], "weekday": DAYS[weekday].lower()}
            return {"kind": "monthly", **by, "at": clock(at)}
        case Monthly(day=day, at=at):
            return {"kind": "monthly", "day": day, "at": clock(at)}


def from_json(stored: dict[str, Any]) -> Schedule:
    """The schedule that ``as_json`` wrote, or that somebody typed.

    Raises:
        ValueError: it is not a schedule; the text is a sentence that says why.
    """
    _check_unused(stored)
    kind = stored.get("kind")
    if kind == "every":
        minutes = _whole(stored.get("minutes"), 1, MOST_MINUTES, "minutes")
        return Every(minutes)
    if kind not in KINDS:
        raise ValueError(f"The kind of a schedule must be one of {', '.join(KINDS)}.")
    at = minute_of_day(stored.get("at"))
    if kind == "monthly":
        return _read_monthly(stored, at)
    if kind == "weekly":
        return Weekly(_weekdays(stored.get("days")), at)
    return Weekly(EVERY_DAY if kind == "daily" else WORKDAYS, at)


def _check_unused(stored: dict[str, Any]) -> None:
    """Check the keys that this kind of schedule does not use: a wrong value there is a mistake, too.

    Raises:
        ValueError: a value is wrong.
    """
    checks: dict[str, Callable[[Any], object]] = {
        "minutes": lambda value: _whole(value, 1, MOST_MINUTES, "minutes"),
        "at": minute_of_day,
        "days": _weekdays,
        "day": lambda value: _whole(value, 1, 31, "day"),
        "week": _week,
        "weekday": _weekday,
    }
    for name, check in checks.items():
        if stored.get(name) not in (None, []):
            check(stored[name])


def _read_monthly(stored: dict[str, Any], at: int) -> Monthly:
    if stored.get("week") is None:
        return Monthly(at, day=_whole(stored.get("day"), 1, 31, "day"))
    return Monthly(at, week=_week(stored["week"]), weekday=_weekday(stored.get("weekday")))


def minute_of_day(text: object) -> int:
    """02:04 as a minute of the day.

    Raises:
        ValueError: it is not a time of day.
    """
    match = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("Enter the time as 02:04, from 00:00 to 23:59.")
    return int(match[1]) * 60 + int(match[2])


def _weekdays(names: object) -> frozenset[int]:
    if not isinstance(names, list) or not names:
        raise ValueError("A weekly schedule needs days, such as monday.")
    return frozenset(map(_weekday, names))


def _week(name: object) -> int:
    if name not in WEEKS:
        raise ValueError(f"The week must be one of {', '.join(WEEKS)}.")
    return WEEKS.index(str(name)) + 1


def _weekday(name: object) -> int:
    names = [day.lower() for day in DAYS]
    if not isinstance(name, str) or name.lower() not in names:
        raise ValueError(f"A day must be one of {', '.join(names)}.")
    return names.index(name.lower())


def _whole(value: object, least: int, most: int, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{what} must be a whole number from {least} to {most:,}.".capitalize())
    return value
