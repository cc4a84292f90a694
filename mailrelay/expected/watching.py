"""The sweep: learns schedules, finds watched reports that are late, failed or back, and mails that once."""

from __future__ import annotations

import logging
import socket
from datetime import UTC, datetime, timedelta, tzinfo

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from mailrelay.expected import nodezone, schedules
from mailrelay.expected.learning import learn
from mailrelay.expected.standing import Known, News, step
from mailrelay.models import ExpectedReport, ExpectedSweep, RelaySettings
from mailrelay.notices.notify import notify_operator
from quazzar import words
from quazzar.monitoring import findings

logger = logging.getLogger(__name__)

#: Sweeps that are further apart than this show that the node was off, or that its clock was set.
GAP = timedelta(minutes=5)
#: The doctor's check (``monitoring.py``).
CHECK = "expected reports"
#: The most rows that one sweep checks; the next sweep continues.
_AT_ONCE = 500
#: An unwatched report is forgotten if it has not arrived for this long; one that arrived only once, sooner.
_FORGOTTEN, _ONCE = timedelta(days=100), timedelta(days=40)
State = ExpectedReport.State


def sweep(now: datetime | None = None) -> list[tuple[str, News]]:
    """Look at every row that is due. Two workers may do so at once: each news is mailed by one of them.

    Returns:
        Names of reports, and what was mailed about them.
    """
    now = now or timezone.now()
    off_since = _off_since(now)
    if off_since is not None:
        # The times of all watched ones may be those of a clock that was wrong.
        ExpectedReport.objects.filter(state__in=ExpectedReport.WATCHED).exclude(state=State.LATE).update(
            look_at=now
        )
    relay, zone = RelaySettings.load(), nodezone.zone()
    can_mail = relay.configured and bool(relay.alert_recipients)
    news: list[tuple[str, News]] = []
    before = _states()
    for row in ExpectedReport.objects.filter(look_at__lte=now).order_by("look_at")[:_AT_ONCE]:
        if row.state not in ExpectedReport.WATCHED:
            _learn(row, zone)
        elif event := _look(row, now, zone, off_since=off_since, can_mail=can_mail):
            news.append((row.name, event))
    if _states() != before:
        findings.look({CHECK})
    return news


def _states() -> list[tuple[int, str]]:
    """Which reports are late or failed: when that changes, so does what the doctor says."""
    wrong = ExpectedReport.objects.filter(state__in=[State.LATE, State.FAILED])
    return list(wrong.order_by("pk").values_list("pk", "state"))


def _off_since(now: datetime) -> datetime | None:
    """When the node was last up, if it was off or its clock was set since then; also records that it is up now."""
    last = ExpectedSweep.objects.filter(pk=1).values_list("at", flat=True).first()
    ExpectedSweep.objects.update_or_create(pk=1, defaults={"at": now})
    if last is None or -GAP < now - last < GAP:
        return None
    return min(last, now)


def _learn(row: ExpectedReport, zone: tzinfo) -> None:
    """Propose the schedule that the arrivals show, or withdraw the proposal."""
    found = learn([datetime.fromtimestamp(at, UTC) for at, _ in row.arrivals], zone)
    changes: dict[str, object] = {"look_at": None}
    if found is not None:
        changes |= {
            "state": State.PROPOSED,
            "schedule": schedules.as_json(found.schedule),
            "tolerance": found.tolerance,
            "confidence": found.confidence,
        }
    elif row.state == State.PROPOSED:
        changes |= {"state": State.LEARNING, "schedule": None, "confidence": None}
    if changes.get("state", row.state) != row.state:
        changes["since"] = timezone.now()
    _claim(row, changes)


def _claim(row: ExpectedReport, changes: dict[str, object]) -> bool:
    """Write the changes, unless another worker or an arrival was faster."""
    same = Q(pk=row.pk, state=row.state, look_at=row.look_at, last_at=row.last_at, told=row.told)
    return bool(ExpectedReport.objects.filter(same).update(**changes))


def _look(
    row: ExpectedReport, now: datetime, zone: tzinfo, *, off_since: datetime | None, can_mail: bool
) -> News:
    known, news = step(known_of(row), now, zone, off_since=off_since, can_mail=can_mail)
    with transaction.atomic():
        if not _claim(row, changes_to(known)):
            return ""
        if news:
            subject, text = mail(row, known, news, zone)
            logger.warning("expected report: %s", subject)
            notify_operator(subject, text)
        elif known.state in ("late", "failed") and known.state != row.state:
            logger.warning("expected report: %s is %s, which is not mailed", row.name, known.state)
    return news


def known_of(row: ExpectedReport) -> Known:
    """What the row knows, for ``standing.step``."""
    return Known(
        schedule=schedules.from_json(row.schedule or {}),
        tolerance=timedelta(minutes=row.tolerance),
        counted_from=row.counted_from or row.created_at,
        state=row.state,  # type: ignore[arg-type]  # one of WATCHED
        since=row.since,
        last_at=row.last_at,
        last_ok=bool(row.arrivals[-1][1]) if row.arrivals else True,
        due_at=row.due_at,
        late_at=row.late_at,
        muted_until=row.muted_until,
        told=row.told,
        look_at=row.look_at,
    )


def changes_to(known: Known) -> dict[str, object]:
    """The columns that ``standing.step`` may change."""
    names = ("state", "since", "counted_from", "due_at", "late_at", "told", "look_at")
    return {name: getattr(known, name) for name in names}


# --- the mail


def mail(row: ExpectedReport, known: Known, news: News, zone: tzinfo) -> tuple[str, str]:
    """Subject and text of the mail."""
    node = socket.gethostname()
    expected = (
        f"{schedules.describe(known.schedule)}, ± {schedules.tolerance_in_words(row.tolerance)} "
        f"({row.get_kind_display().lower()}{f' from {row.source}' if row.source else ''})"
    )
    last = words.minute(known.last_at, zone) if known.last_at else "none yet"
    match news:
        case "late":
            assert known.due_at is not None
            what = "is late"
            advice = (
                f"It was due at {words.minute(known.due_at, zone)} and has not arrived.\n"
                "On the sender's host, check whether the job ran and whether it sent its mail or request."
            )
        case "failed":
            what = "failed"
            advice = "The sender reported a failure. Its report says why."
        case _:
            what = "is back"
            advice = "It has arrived again and reports no failure."
    text = (
        f"{advice}\n\nReport:    {row.name}\nExpected:  {expected}\nLast one:  {last}\nNode:      {node}\n\n"
        "You get one mail when it is late or failed, and one when it is back. You can change or mute this in the\n"
        "console, under Expected reports.\n"
    )
    return f"[Report] {words.one_line(row.name, 120)} {what}", text


# --- upkeep


def purge(now: datetime | None = None) -> int:
    """Forget unwatched reports that no longer arrive; returns how many."""
    now = now or timezone.now()
    unwatched = ExpectedReport.objects.filter(state__in=[State.LEARNING, State.PROPOSED, State.IGNORED])
    stale = Q(last_at__lt=now - _FORGOTTEN)
    once = Q(state=State.LEARNING, last_at__lt=now - _ONCE, created_at__gte=now - _FORGOTTEN)
    stale_ids = [
        row.pk
        for row in unwatched.filter(stale | once).only("pk", "arrivals", "last_at")
        if len(row.arrivals) == 1 or (row.last_at and row.last_at < now - _FORGOTTEN)
    ]
    return ExpectedReport.objects.filter(pk__in=stale_ids).delete()[0]
