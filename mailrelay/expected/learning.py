"""Learns a schedule from the times at which reports came. Pure.

A wrong schedule wakes people for nothing, so none is proposed unless the times clearly show one: it must
explain most of them, and most of its own times must have had a report.
"""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from itertools import pairwise
from statistics import median

from mailrelay.expected.schedules import EVERY_DAY, LAST, WORKDAYS, Every, Monthly, Schedule, Weekly, fits

#: Shares of the reports that a schedule explains, and of its own times that had one.
_EXPLAINED, _KEPT = 0.75, 0.8
#: Half the width of the window in a day, in minutes, from punctual jobs to those with a random delay.
_WINDOWS = (10, 20, 45, 90, 180, 360)
#: Several mails of one run are one report if they are this close, in minutes.
_RUN = 20
_STEPS = (2, 3, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480, 720, 1440, 2880)
_DAY = 1440
_LEAST = 6
#: Minutes. What is closer is recorded once a minute (``arrivals.py``), and so looks more regular than it is.
_SHORTEST = 3
#: An interval is believed after this many of them, or after more than a day: hourly in working hours is not hourly.
_INTERVALS, _OVER_A_DAY = 30, 26 * 60
#: How far an interval may be off and still count, as a share of it.
_SLACK = 0.15


@dataclass(frozen=True, slots=True)
class Learned:
    """A schedule as the reports show it.

    Attributes:
        tolerance: minutes that a report may be late.
        confidence: 0 to 1: how well schedule and reports agree.
    """

    schedule: Schedule
    tolerance: int
    confidence: float


def learn(times: Sequence[datetime], zone: tzinfo) -> Learned | None:
    """The schedule that these times (in UTC, in any order) follow; None if they show none (yet).

    Args:
        zone: the time zone of the senders' clocks.
    """
    ordered = sorted(times)
    if len(ordered) < 3:
        return None
    return _by_calendar([time.astimezone(zone).replace(tzinfo=None) for time in ordered]) or _by_interval(
        ordered
    )


# --- by wall-clock time


def _by_calendar(times: Sequence[datetime]) -> Learned | None:
    """Daily, on some days of the week, or monthly; ``times`` are local and naive."""
    if times[-1] - times[0] < timedelta(days=5.5):
        return None
    minutes = [time.hour * 60 + time.minute for time in times]
    for half in _WINDOWS:
        start, inside = _densest(minutes, half)
        # The wider the window, the more falls into it by chance.
        if len(inside) < (_EXPLAINED + half / 2400) * len(times):
            continue
        at = (start + round(median(sorted((minutes[i] - start) % _DAY for i in inside)))) % _DAY
        # Around noon, so that what comes shortly before or after midnight belongs to the same day.
        shift = timedelta(minutes=at - _DAY // 2)
        days = [(times[i] - shift).date() for i in inside]
        if half > _RUN and len(days) > 1.5 * len(set(days)):
            return None
        share = len(inside) / len(times)
        if found := _fitted(sorted(set(days)), at, share):
            schedule, kept = found
            off = max(abs((minutes[i] - at + _DAY // 2) % _DAY - _DAY // 2) for i in inside)
            return Learned(schedule, _step(max(20, 1.25 * off + 10)), round(min(share, kept), 2))
    return None


def _densest(minutes: Sequence[int], half: int) -> tuple[int, list[int]]:
    """The window of the day that most times fall into: its first minute, and the positions of those times."""
    best: list[int] = []
    first = 0
    for start in sorted(set(minutes)):
        inside = [i for i, minute in enumerate(minutes) if (minute - start) % _DAY <= 2 * half]
        if len(inside) > len(best):
            best, first = inside, start
    return first, best


def _fitted(days: Sequence[date], at: int, share: float) -> tuple[Schedule, float] | None:
    """The schedule of these days, and which share of its times it kept."""
    for schedule in (_weekly(days, at), _monthly(days, at)):
        if schedule is None:
            continue
        wanted = [day for day in _all(days) if fits(schedule, day)]
        kept = len(set(wanted).intersection(days)) / len(wanted)
        extra = 1 - sum(fits(schedule, day) for day in days) / len(days)
        # One that is missing is forgiven, however few there are.
        if (kept >= _KEPT or len(wanted) * (1 - kept) <= 1.01) and share * (1 - extra) >= _EXPLAINED:
            return schedule, kept
    return None


def _weekly(days: Sequence[date], at: int) -> Weekly | None:
    span = (days[-1] - days[0]).days + 1
    seen = Counter(day.weekday() for day in days)
    there = Counter(day.weekday() for day in _all(days))
    usual = frozenset(weekday for weekday in there if seen[weekday] >= there[weekday] / 2)
    if usual == EVERY_DAY:
        enough = len(days) >= 7
    elif usual == WORKDAYS:
        enough = len(days) >= 8 and span >= 10
    else:
        # A single day a week could be chance; four of them are not.
        enough = bool(usual) and span >= 22 and min(seen[weekday] for weekday in usual) >= 3
    return Weekly(usual, at) if enough and len(usual) in range(1, 8) else None


def _monthly(days: Sequence[date], at: int) -> Monthly | None:
    months = (days[-1].year - days[0].year) * 12 + days[-1].month - days[0].month + 1
    if months < 3 or not 3 <= len(days) <= 1.5 * months:
        return None
    by_day, count = Counter(day.day for day in days).most_common(1)[0]
    ends = sum(day.day == calendar.monthrange(day.year, day.month)[1] for day in days)
    if ends > count:
        by_day, count = 31, ends
    (week, weekday), weeks = Counter((-(-day.day // 7), day.weekday()) for day in days).most_common(1)[0]
    lasts = Counter(day.weekday() for day in days if (day + timedelta(days=7)).month != day.month)
    if lasts and lasts.most_common(1)[0][1] > weeks:
        week, (weekday, weeks) = LAST, lasts.most_common(1)[0]
    if week > 4 and week != LAST:
        return None
    if count >= weeks:
        return Monthly(at, day=by_day)
    return Monthly(at, week=LAST if week > 4 else week, weekday=weekday)


def _all(days: Sequence[date]) -> Iterable[date]:
    return (days[0] + timedelta(days=i) for i in range((days[-1] - days[0]).days + 1))


# --- by the time since the last one


def _by_interval(times: Sequence[datetime]) -> Learned | None:
    gaps = sorted(_gaps(times))
    # The upper quartile: where each run sends several mails, most gaps are those between them.
    for guess in (median(gaps), gaps[len(gaps) * 3 // 4]):
        if guess >= 1 and (found := _steady(_merged(times, guess / 5))):
            return found
    return None


def _steady(times: Sequence[datetime]) -> Learned | None:
    if len(times) < _LEAST:
        return None
    gaps = _gaps(times)
    period = median(gaps)
    if period < _SHORTEST * 0.9:
        return None
    if len(gaps) >= 20:  # a node that was off once
        gaps.remove(max(gaps))
    fitting = [(gap, max(1, round(gap / period))) for gap in gaps]
    close = [(gap, slots) for gap, slots in fitting if abs(gap - slots * period) <= _SLACK * period]
    explained = len(close) / len(gaps)
    kept = len(gaps) / sum(slots for _, slots in fitting)
    forgiven = sum(slots for _, slots in fitting) - len(gaps) <= 1 and len(gaps) >= 8
    believed = sum(gaps) >= (8 * period if period >= _DAY * 0.8 else min(_INTERVALS * period, _OVER_A_DAY))
    if explained < _EXPLAINED or not (kept >= 0.85 or forgiven) or not believed:
        return None
    off = max(abs(gap - slots * period) for gap, slots in close)
    every = Every(_rounded(period))
    # No more than the interval itself: by then the next one is due.
    tolerance = min(_step(max(2, period / 10, 1.5 * off)), max(2, every.minutes))
    return Learned(every, tolerance, round(min(explained, kept), 2))


def _gaps(times: Sequence[datetime]) -> list[float]:
    return [(later - earlier).total_seconds() / 60 for earlier, later in pairwise(times)]


def _merged(times: Sequence[datetime], minutes: float) -> list[datetime]:
    """The first time of each group whose members are closer than this."""
    kept = [times[0]]
    for earlier, later in pairwise(times):
        if (later - earlier).total_seconds() / 60 >= minutes:
            kept.append(later)
    return kept


def _rounded(minutes: float) -> int:
    """The round figure that an interval is near to; jobs that count from the end of the last take a little longer."""
    for unit in (1440, 60, 30, 15, 5):
        whole = round(minutes / unit) * unit
        if whole and abs(minutes - whole) <= 0.04 * minutes:
            return whole
    return max(1, round(minutes))


def _step(minutes: float) -> int:
    return next((step for step in _STEPS if step >= minutes), _STEPS[-1])
