"""Made-up histories of reports: what real jobs do, with a fixed random sequence."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = date(2026, 2, 2)


def at(day: date, hour: int, minute: int, *, fold: int = 0) -> datetime:
    """A local time in Berlin, in UTC."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=BERLIN, fold=fold).astimezone(UTC)


def on_days(
    days: int,
    hour: int,
    minute: int,
    *,
    jitter: float = 1,
    start: date = MONDAY,
    when: Callable[[date], bool] = lambda _: True,
) -> list[datetime]:
    """Once on each day, up to ``jitter`` minutes late."""
    chance = random.Random(days)
    each = [start + timedelta(days=day) for day in range(days)]
    return [at(day, hour, minute) + timedelta(minutes=chance.uniform(0, jitter)) for day in each if when(day)]


def every(minutes: float, count: int, *, jitter: float = 0, start: datetime | None = None) -> list[datetime]:
    """Each so long after the last one, plus up to ``jitter`` minutes: an interval that drifts."""
    chance, time = random.Random(count), start or at(MONDAY, 0, 3)
    times = [time]
    for _ in range(count - 1):
        time += timedelta(minutes=minutes + chance.uniform(0, jitter))
        times.append(time)
    return times


def noise(count: int, mean_minutes: float, seed: int = 1) -> list[datetime]:
    """What comes by chance, such as bans by fail2ban."""
    chance, time, times = random.Random(seed), at(MONDAY, 0, 0), []
    for _ in range(count):
        time += timedelta(minutes=chance.expovariate(1 / mean_minutes))
        times.append(time)
    return times


def bursts(count: int, size: int, seed: int = 1) -> list[datetime]:
    """Groups of mails at times of no order."""
    return [start + timedelta(minutes=minute) for start in noise(count, 2500, seed) for minute in range(size)]
