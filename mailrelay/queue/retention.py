"""Removes what has been kept long enough, a few rows at a time, so that nobody waits long for the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from mailrelay.models import Message
from mailrelay.queue import counts
from mailrelay.queue.outbox import IDEMPOTENCY_WINDOW

Status = Message.Status
#: Rows of one transaction.
_PORTION = 500


def purge() -> tuple[int, int]:
    """Remove the bodies and rows whose retention is over, and idempotency keys older than their window.

    A message that waits keeps its row and its body, and one that failed keeps its body as long as its row.

    Returns:
        How many bodies and how many rows were removed.
    """
    now = timezone.now()
    keyed = Message.objects.filter(idempotency_key__isnull=False, created_at__lt=now - IDEMPOTENCY_WINDOW)
    _in_portions(keyed.order_by("idempotency_key"), lambda rows: rows.update(idempotency_key=None))
    stale = now - timedelta(days=settings.QUAZZAR_BODY_RETENTION_DAYS)
    kept = Message.objects.filter(body__isnull=False, sent_at__lte=stale).order_by("sent_at")
    bodies = _in_portions(kept, lambda rows: rows.update(body=None))
    rows = _remove_older_than(now - timedelta(days=settings.QUAZZAR_MESSAGE_RETENTION_DAYS))
    counts.prune(now)
    return bodies, rows


def _in_portions(rows: QuerySet[Message], change: Callable[[QuerySet[Message]], int]) -> int:
    """Change these rows, so that they are none of them any more; returns how many."""
    number = 0
    while ids := list(rows.values_list("pk", flat=True)[:_PORTION]):
        number += change(Message.objects.filter(pk__in=ids))
    return number


def _remove_older_than(old: datetime) -> int:
    """Remove the messages that are over and were created before; returns how many."""
    number, last, now = 0, 0, timezone.now()
    # Read in the order of their ids, which is that of their creation but for clocks that were wrong: no index by time
    # is needed, which every new message would pay for.
    while found := list(
        Message.objects.filter(pk__gt=last)
        .order_by("pk")
        .values_list("pk", "status", "created_at")[:_PORTION]
    ):
        over = [pk for pk, status, at in found if at < old and status in (Status.SENT, Status.FAILED)]
        number += remove(Message.objects.filter(pk__in=over, status__in=[Status.SENT, Status.FAILED]))
        if all(old <= at <= now for _, _, at in found):
            break
        last = found[-1][0]
    return number


def remove(messages: QuerySet[Message]) -> int:
    """Delete these messages, whatever their status; returns how many."""
    with transaction.atomic():
        # Locked, so that none gets another status before it is deleted.
        found = dict(messages.order_by("pk").select_for_update().values_list("pk", "status"))
        Message.objects.filter(pk__in=found).delete()
        counts.take_away(Counter(found.values()))
    return len(found)
