"""The strip of figures above the relay settings: mail that waits, left, or failed, and whether the relay answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from mailrelay.models import Message
from mailrelay.queue import counts

Status = Message.Status
#: What mail waits for because of the relay, and what that says about it.
_HELD_UP = {
    "resolve": "The relay's host name is not found",
    "connect": "The relay is not answering",
    "tls": "The connection to the relay cannot be secured",
    "auth": "The relay does not accept the sign-in",
    "password": "The relay does not accept the sign-in",
}


@dataclass(frozen=True, slots=True)
class Outage:
    """Mail waits because of the relay itself."""

    what: str
    messages: int
    since: datetime
    error: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of this moment, and of today in the node's time zone."""

    waiting: int
    oldest: datetime | None
    sent: int
    failed: int
    failed_today: int
    today: datetime
    outage: Outage | None


def read() -> Figures:
    """The figures of this moment, with 16 queries at most; none grows with what was sent before."""
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    number = counts.by_status()
    waiting = sum(number[status] for status in counts.WAITING)
    since_midnight = counts.since(today)
    return Figures(
        waiting=waiting,
        oldest=counts.oldest_waiting() if waiting else None,
        sent=since_midnight[Status.SENT],
        # All of them, as in the list, to which the figure leads.
        failed=number[Status.FAILED],
        failed_today=since_midnight[Status.FAILED],
        today=today,
        outage=_outage() if number[Status.RETRYING] else None,
    )


def _outage() -> Outage | None:
    """Messages that are retried because the relay was not found, did not answer, or refused the sign-in."""
    latest, oldest, number = None, None, 0
    for what in _HELD_UP:
        rows = Message.objects.filter(waits_for=what, status=Status.RETRYING).order_by("pk").defer("body")
        if (first := rows.first()) is None:
            continue
        number += counts.at_most(rows)
        last = rows.last() or first  # all may leave between one query and the next
        latest = max(filter(None, (latest, last)), key=lambda row: row.pk)
        oldest = min(filter(None, (oldest, first)), key=lambda row: row.pk)
    if latest is None or oldest is None or not latest.last_error:
        return None
    return Outage(
        _HELD_UP[str(latest.waits_for)], number, oldest.created_at, str(latest.last_error.get("message", ""))
    )
