"""The strip of figures above the relay settings: mail that waits, left, or failed, and whether the relay answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Min, Q
from django.utils import timezone

from mailrelay.models import Message

Status = Message.Status
_WAITING = (Status.QUEUED, Status.SENDING, Status.RETRYING)
#: Stages at which every message fails alike → what that says about the relay.
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
    """Numbers of now, and of today in the node's time zone."""

    waiting: int
    oldest: datetime | None
    sent: int
    failed: int
    failed_today: int
    today: datetime
    outage: Outage | None


def read() -> Figures:
    """The figures of this moment, with four queries at most, each on an index."""
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    waiting = Message.objects.filter(status__in=_WAITING).aggregate(n=Count("id"), oldest=Min("created_at"))
    # What is sent today was queued at most the give-up time ago: that bound has an index, sent_at has none.
    earliest = today - timedelta(hours=settings.QUAZZAR_GIVE_UP_HOURS)
    sent = Message.objects.filter(status=Status.SENT, created_at__gte=earliest, sent_at__gte=today).count()
    # All of them, as on the queue page, to which the figure leads.
    failed = Message.objects.filter(status=Status.FAILED).aggregate(
        n=Count("id"), today=Count("id", filter=Q(created_at__gte=today))
    )
    return Figures(
        waiting=waiting["n"],
        oldest=waiting["oldest"],
        sent=sent,
        failed=failed["n"],
        failed_today=failed["today"],
        today=today,
        outage=_outage() if waiting["n"] else None,
    )


def _outage() -> Outage | None:
    """Messages that are retried because the relay was not found, did not answer, or refused the sign-in."""
    held_up = Message.objects.filter(status=Status.RETRYING, last_error__stage__in=list(_RELAY_STAGES))
    total = held_up.aggregate(n=Count("id"), since=Min("created_at"))
    latest = held_up.order_by("-id").values_list("last_error", flat=True).first() if total["n"] else None
    if not latest:
        return None
    return Outage(_RELAY_STAGES[latest["stage"]], total["n"], total["since"], str(latest.get("message", "")))
