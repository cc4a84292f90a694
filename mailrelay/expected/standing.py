"""How a watched report stands, and what the operator is mailed about it: once when it is late or failed, once when it
is back. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import Literal

from mailrelay.expected.schedules import Schedule, following

State = Literal["waiting", "on_time", "late", "failed"]
News = Literal["", "late", "failed", "back"]
#: Where it cannot be mailed now, it is tried again after this.
_AGAIN = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known about a watched report; all times are in UTC.

    Attributes:
        counted_from: the next one is due so long after this: after the last one, or after the watch began.
        last_at: when the last one came; None: none has.
        told: late or failed, if the operator was mailed that.
        look_at: when to look again; None: not before the next report.
    """

    schedule: Schedule
    tolerance: timedelta
    counted_from: datetime
    state: State = "waiting"
    since: datetime | None = None
    last_at: datetime | None = None
    last_ok: bool = True
    due_at: datetime | None = None
    late_at: datetime | None = None
    muted_until: datetime | None = None
    told: str = ""
    look_at: datetime | None = None


def step(
    known: Known,
    now: datetime,
    zone: tzinfo,
    *,
    off_since: datetime | None = None,
    can_mail: bool = True,
) -> tuple[Known, News]:
    """How it stands now, and what to mail.

    Args:
        off_since: when the node was last known to be up, if it was off until now: reports that were due in
            the meantime could not arrive, and get the tolerance again from now on.
    """
    known = _counted(known, now, zone, off_since)
    assert known.late_at is not None
    if now >= known.late_at:
        seen = _changed(known, "late", known.late_at)
    elif known.last_at is None:
        seen = _changed(known, "waiting", known.counted_from)
    elif not known.last_ok:
        seen = _changed(known, "failed", known.last_at)
    else:
        seen = _changed(known, "on_time", known.last_at)
    return _told(seen, now, can_mail=can_mail)


def _counted(known: Known, now: datetime, zone: tzinfo, off_since: datetime | None) -> Known:
    """When the next one is due, and late."""
    # A time in the future is one from before the clock was put back.
    counted_from = min(max(known.counted_from, known.last_at or known.counted_from), now)
    due = following(known.schedule, known.tolerance, counted_from, zone)
    late_at = due.late_at
    if due.at == known.due_at and known.late_at is not None:
        late_at = max(late_at, known.late_at)
    if off_since is not None and due.at <= now and late_at > off_since:
        late_at = max(late_at, now + known.tolerance)
    return replace(known, counted_from=counted_from, due_at=due.at, late_at=late_at)


def _changed(known: Known, state: State, since: datetime) -> Known:
    if known.state == state and known.since is not None and state != "late":
        since = known.since
    return replace(known, state=state, since=since)


def _told(seen: Known, now: datetime, *, can_mail: bool) -> tuple[Known, News]:
    is_muted = seen.muted_until is not None and now < seen.muted_until
    look_at = None if seen.state == "late" else seen.late_at
    if seen.state in ("waiting", "on_time"):
        back: News = "back" if seen.told and seen.state == "on_time" and not is_muted and can_mail else ""
        return replace(seen, told="", look_at=look_at), back
    if seen.told == seen.state:
        return replace(seen, look_at=look_at), ""
    if can_mail and not is_muted:
        news: News = "late" if seen.state == "late" else "failed"
        return replace(seen, told=seen.state, look_at=look_at), news
    later = seen.muted_until if is_muted and seen.muted_until else now + _AGAIN
    return replace(seen, look_at=min(later, look_at) if look_at else later), ""
