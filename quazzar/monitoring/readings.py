"""The doctor's findings as they may be shown now: to whom, and as unknown if they are out of date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from quazzar import words
from quazzar.models import Finding as Row
from quazzar.monitoring import doctor, findings
from quazzar.monitoring.doctor import Area, Check, Finding, Level

#: The worst first.
SEVERITY = (Level.FAILED, Level.WARNING, Level.UNKNOWN, Level.OK)
#: A finding of a cheap check is old after this; without a worker, every finding after a shorter time.
_OLD, _OLD_WITHOUT_WORKER = timedelta(minutes=2), timedelta(seconds=45)
_NEVER = "Not checked yet."


@dataclass(frozen=True)
class Reading:
    """A check, and what is known about it now.

    Attributes:
        finding: what it found; UNKNOWN if it passed when it last ran, and should have run again since.
        since: when it got its current level; None: it has not run yet.
        checked_at: when it last ran; None: not yet.
        is_old: it should have run again since then.
    """

    check: Check
    finding: Finding
    since: datetime | None = None
    checked_at: datetime | None = None
    is_old: bool = False

    @property
    def name(self) -> str:
        """The name of the check."""
        return self.check.name

    @property
    def level(self) -> Level:
        """How serious it is."""
        return self.finding.level


def read(user: Any = None, now: datetime | None = None) -> list[Reading]:
    """The readings of every check that the user may see, the worst first; without a user, of every check.

    Checks that a dead worker cannot make are made now, and not stored.
    """
    rows = {row.check_name: row for row in Row.objects.all()}
    checks = [check for check in doctor.registered() if user is None or check.right(user)]
    now = now or timezone.now()
    live = {check.name: finding for check, finding in doctor.examine(c for c in checks if c.is_live)}
    is_watched = all(finding.level is Level.OK for finding in live.values())
    return worst_first(
        judge(check, rows.get(check.name), now, live.get(check.name), is_watched=is_watched)
        for check in checks
    )


def judge(
    check: Check, row: Row | None, now: datetime, live: Finding | None = None, *, is_watched: bool = True
) -> Reading:
    """The reading of a check. Pure.

    Args:
        row: what is stored of it.
        live: what it found just now, if it was made.
        is_watched: the worker and what it needs are alive, so that old findings will soon be refreshed.
    """
    if live is not None:
        return Reading(check, live, findings.since(row, live, now), now)
    if row is None:
        return Reading(check, Finding(Level.UNKNOWN, _NEVER))
    found = findings.as_finding(row)
    age = now - row.checked_at
    patience = max(_OLD, 3 * check.every if found.level is Level.OK else _OLD)
    if age <= (patience if is_watched else _OLD_WITHOUT_WORKER):
        return Reading(check, found, row.since, row.checked_at)
    if found.level is Level.OK:
        sentence = f"Not checked for {words.span(age)}. Last result: {found.sentence}"
        found = replace(found, level=Level.UNKNOWN, sentence=sentence, is_idle=False)
    return Reading(check, found, row.since, row.checked_at, is_old=True)


def worst_first(readings: Iterable[Reading]) -> list[Reading]:
    """The readings in the order of their severity, with nothing to check last, and then of their areas."""
    areas = list(Area)

    def rank(each: Reading) -> tuple[int, bool, int]:
        return SEVERITY.index(each.level), each.finding.is_idle, areas.index(each.check.area)

    return sorted(readings, key=rank)


def worst(readings: Sequence[Reading], *areas: Area) -> Reading | None:
    """The worst reading of these areas, of all if none is named; None where there is none."""
    return next(iter(worst_first(each for each in readings if not areas or each.check.area in areas)), None)


def collect() -> Iterator[Metric]:
    """What each check found, for /metrics."""
    family = GaugeMetricFamily(
        "quazzar_doctor",
        "What each of doctor's checks found: 0 ok, 1 warning, 2 failed, 3 unknown.",
        labels=["check"],
    )
    levels = list(Level)
    for reading in read():
        family.add_metric([reading.name], levels.index(reading.level))
    yield family
