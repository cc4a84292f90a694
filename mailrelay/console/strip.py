"""The strip of figures above the relay settings: mail that waits, left, or failed, and whether the relay answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min
from django.utils import timezone

from mailrelay.models import Message
from mailrelay.queue import counts

Status = Message.Status
#: Stages at which every message fails in the same way, and what that says about the relay.
_RELAY_STAGES = {
    "resolve": "The relay's host name is not found",
    "connect": "The relay is not answering",
    "tls": "The connection to the relay cannot be secured",
    "auth": "The relay does not accept the sign-in",
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
    """The figures of this moment, with five queries at most; none grows with what was sent before."""
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
    held_up = Message.objects.filter(status=Status.RETRYING, last_error__stage__in=list(_RELAY_STAGES))
    total = held_up.aggregate(n=Count("id"), since=Min("created_at"))
    latest = held_up.order_by("-id").values_list("last_error", flat=True).first() if total["n"] else None
    if not latest:
        return None
    return Outage(_RELAY_STAGES[latest["stage"]], total["n"], total["since"], str(latest.get("message", "")))
