"""The strip of figures: what waits, what left today, what failed, and whether the relay answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Min, Q
from django.utils import timezone

from mailrelay.models import Message

Status = Message.Status
_WAITING = (Status.QUEUED, Status.SENDING, Status.RETRYING)
#: Stages that fail for every message alike → what that means.
_RELAY_STAGES = {
    "resolve": "The relay's host name is not found",
    "connect": "The relay is not answering",
    "tls": "The connection to the relay cannot be secured",
    "auth": "The relay does not accept the sign-in",
}


@dataclass(frozen=True, slots=True)
class Outage:
    """The relay itself is the reason why mail waits."""

    what: str
    messages: int
    since: datetime
    error: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Of today (in the node's time zone) and of now."""

    waiting: int
    oldest: datetime | None
    sent: int
    failed: int
    failed_today: int
    today: datetime
    outage: Outage | None


def read() -> Figures:
    """The figures of this moment; four queries at most, each on an index."""
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    waiting = Message.objects.filter(status__in=_WAITING).aggregate(n=Count("id"), oldest=Min("created_at"))
    # What is sent today was queued at most the give-up time ago: that bound has an index, sent_at has none.
    earliest = today - timedelta(hours=settings.QUAZZAR_GIVE_UP_HOURS)
    sent = Message.objects.filter(status=Status.SENT, created_at__gte=earliest, sent_at__gte=today).count()
    # A test that failed was read when it failed: it is nothing to look at any more.
    failed = (
        Message.objects.filter(status=Status.FAILED)
        .exclude(source=Message.Source.TEST)
        .aggregate(n=Count("id"), today=Count("id", filter=Q(created_at__gte=today)))
    )
    return Figures(
        waiting["n"], waiting["oldest"], sent, failed["n"], failed["today"], today,
        _outage() if waiting["n"] else None,
    )  # fmt: skip


def _outage() -> Outage | None:
    """Retrying messages whose last attempt never came past the relay's door."""
    held_up = Message.objects.filter(status=Status.RETRYING, last_error__stage__in=list(_RELAY_STAGES))
    found = held_up.aggregate(n=Count("id"), since=Min("created_at"))
    latest = held_up.order_by("-id").values_list("last_error", flat=True).first() if found["n"] else None
    if not latest:
        return None
    return Outage(_RELAY_STAGES[latest["stage"]], found["n"], found["since"], str(latest.get("message", "")))
