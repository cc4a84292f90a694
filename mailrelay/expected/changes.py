"""What an operator decides about expected reports: watch, ignore, pause, change, declare, delete. The only writers."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from mailrelay.expected import nodezone, schedules
from mailrelay.expected.arrivals import matches
from mailrelay.expected.schedules import Schedule, following
from mailrelay.expected.standing import step
from mailrelay.expected.watching import changes_to, known_of
from mailrelay.models import ExpectedReport
from quazzar import validation
from quazzar.access import audit
from quazzar.errors import NotFound, QuazzarError
from quazzar.validation import Wrong

#: Minutes.
MOST_TOLERANCE = 31 * 1440
_LONGEST = 200
State, Kind = ExpectedReport.State, ExpectedReport.Kind
_NEW = (State.LEARNING, State.PROPOSED, State.IGNORED)
EDITABLE = ("name", "schedule", "tolerance", "muted_until")


class NoSchedule(QuazzarError):
    """A report cannot be watched before it has a schedule."""

    code = "no_schedule"
    message = "This report has no schedule yet."
    hint = "Set a schedule to watch it."
    status = 409


def watch(pk: int, now: datetime | None = None) -> ExpectedReport:
    """Watch a report that was proposed, ignored or paused.

    Raises:
        NotFound: there is no such report.
        NoSchedule: none was learned or set.
    """
    with transaction.atomic():
        row = _locked(pk)
        if row.state in ExpectedReport.WATCHED:
            return row
        if row.schedule is None:
            raise NoSchedule
        audit.record("expected_report.watched", row)
        return _begin(row, now or timezone.now())


def ignore(pk: int) -> ExpectedReport:
    """Stop proposing and watching it.

    Raises:
        NotFound: there is no such report.
    """
    return _rest(pk, State.IGNORED, "expected_report.ignored")


def pause(pk: int) -> ExpectedReport:
    """Stop watching it until ``watch`` resumes it.

    Raises:
        NotFound: there is no such report.
        NoSchedule: it was never watched.
    """
    return _rest(pk, State.PAUSED, "expected_report.paused")


def _rest(pk: int, state: str, action: str) -> ExpectedReport:
    with transaction.atomic():
        row = _locked(pk)
        if row.state == state:
            return row
        if state == State.PAUSED and row.schedule is None:
            raise NoSchedule
        audit.record(action, row)
        row.state, row.since = state, timezone.now()
        row.look_at = row.due_at = row.late_at = None
        row.told = ""
        row.save()
    return row


def declare(values: dict[str, Any], now: datetime | None = None) -> ExpectedReport:
    """Watch a report that has not arrived yet; a report that is already known is watched as it is.

    Args:
        values: ``name``, ``schedule`` (as ``schedules.as_json``), and perhaps ``tolerance`` in minutes, ``kind`` and
            ``match``: what its job, alert or subject contains; without it, the name.

    Raises:
        InvalidFields: a value is not right.
    """
    checked = _checked(values)
    match, kind = checked.pop("match", "") or checked["name"], checked.pop("kind", Kind.ANY)
    now = now or timezone.now()
    checked.setdefault("tolerance", default_tolerance(schedules.from_json(checked["schedule"])))
    with transaction.atomic():
        row = _known(match, kind) or ExpectedReport(kind=kind, title=match, created_at=now)
        for name, value in checked.items():
            setattr(row, name, value)
        row.confidence = None
        row = _begin(row, now)
        audit.record("expected_report.declared", row)
    return row


def _known(match: str, kind: str) -> ExpectedReport | None:
    """A known report that is not watched and that these words describe."""
    rows = ExpectedReport.objects.filter(state__in=_NEW, key__isnull=False).order_by("-last_at")
    rows = rows if kind == Kind.ANY else rows.filter(kind=kind)
    return next((row for row in rows[:2000] if matches(match, row.title, row.name)), None)


def change(pk: int, values: dict[str, Any], now: datetime | None = None) -> ExpectedReport:
    """Change what was given: name, schedule, tolerance, ``muted_until``.

    Raises:
        NotFound: there is no such report.
        InvalidFields: a value is not right.
    """
    checked = _checked(values, partial=True)
    with transaction.atomic():
        row = _locked(pk)
        changed = {
            name: (getattr(row, name), value)
            for name, value in checked.items()
            if getattr(row, name) != value
        }
        if not changed:
            return row
        for name in changed:
            setattr(row, name, checked[name])
        if row.schedule is not None and {"schedule", "tolerance"}.intersection(changed):
            row.confidence = None
            if row.state in _NEW and "schedule" in changed:
                row.state = State.PROPOSED if row.state != State.IGNORED else State.IGNORED
                row.look_at = None
        audit.record("expected_report.changed", row, changes=changed)
        if row.state in ExpectedReport.WATCHED:
            return _begin(row, now or timezone.now(), again=True, keeps_count="schedule" not in changed)
        row.save()
    return row


def remove(pk: int) -> None:
    """Delete it. If it comes again, it is learned from the beginning.

    Raises:
        NotFound: there is no such report.
    """
    with transaction.atomic():
        row = _locked(pk)
        audit.record("expected_report.deleted", row)
        row.delete()


def default_tolerance(schedule: Schedule) -> int:
    """Minutes: a tenth of a short interval, 20 for one by the clock."""
    return min(max(2, schedule.minutes // 10), 180) if isinstance(schedule, schedules.Every) else 20


def _locked(pk: int) -> ExpectedReport:
    row = ExpectedReport.objects.select_for_update().filter(pk=pk).first()
    if row is None:
        raise NotFound("This expected report does not exist.")
    return row


def _begin(
    row: ExpectedReport, now: datetime, *, again: bool = False, keeps_count: bool = False
) -> ExpectedReport:
    """Count from the last arrival, or from now if the report would then be late already."""
    assert row.schedule is not None
    schedule, tolerance = schedules.from_json(row.schedule), timedelta(minutes=row.tolerance)
    row.counted_from = row.last_at or (row.counted_from if keeps_count else None) or now
    is_late = following(schedule, tolerance, row.counted_from, nodezone.zone()).late_at <= now
    if is_late and not keeps_count:
        row.counted_from = now
    row.due_at = row.late_at = None
    row.look_at = now
    if not again:
        row.state, row.since, row.told = State.WAITING, now, ""
    # Nothing is mailed here: what is wrong already is mailed by the sweep.
    known, _ = step(known_of(row), now, nodezone.zone(), can_mail=False)
    for name, value in changes_to(known).items():
        setattr(row, name, value)
    if row.state in (State.LATE, State.FAILED) and row.told != row.state:
        row.look_at = now
    row.save()
    return row


def _checked(values: dict[str, Any], *, partial: bool = False) -> dict[str, Any]:
    """The values as they are stored.

    Raises:
        InvalidFields: some are not right.
    """
    wrong = Wrong()
    checked = dict(values)
    for name in ("name", "match"):
        if name in checked or (name == "name" and not partial):
            text = str(checked.get(name) or "").strip()
            if (not text and name == "name") or len(text) > _LONGEST:
                wrong.add(name, f"Enter one line of 1 to {_LONGEST} characters.")
            checked[name] = wrong.checked(name, validation.name, text, "This", default="")
    if "schedule" in checked or not partial:
        try:
            checked["schedule"] = schedules.as_json(schedules.from_json(checked.get("schedule") or {}))
        except ValueError as exc:
            wrong.add("schedule", str(exc))
    tolerance = checked.get("tolerance")
    if tolerance is None:
        checked.pop("tolerance", None)
    elif (
        isinstance(tolerance, bool) or not isinstance(tolerance, int) or not 1 <= tolerance <= MOST_TOLERANCE
    ):
        wrong.add("tolerance", f"The tolerance must be 1 to {MOST_TOLERANCE:,} minutes.")
    wrong.raise_if_any()
    return checked
