"""Messages that have been kept long enough go, and no others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from mailrelay.models import Message, MessageAddress
from mailrelay.queue import outbox, retention

pytestmark = pytest.mark.django_db
Queue = Callable[..., Message]


def test_old_messages_go_and_waiting_ones_stay(queued: Queue) -> None:
    queued(), queued()
    (row, _) = outbox.claim("me", 10)
    outbox.record_sent("me", [row.pk])
    Message.objects.update(created_at=timezone.now() - timedelta(days=91))
    assert retention.purge() == (0, 1)
    assert Message.objects.count() == 1


def test_retention_removes_in_portions_what_is_over_and_old(
    queued: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_PORTION", 2)
    old = timezone.now() - timedelta(days=400)
    rows = [queued("a@example.com", "b@example.com", key=str(number)) for number in range(9)]
    for number, row in enumerate(rows):
        status = ("sent", "queued", "failed")[number % 3]
        Message.objects.filter(pk=row.pk).update(status=status, sent_at=old if status == "sent" else None)
    Message.objects.filter(pk__in=[row.pk for row in rows[:7]]).update(created_at=old)
    bodies, removed = retention.purge()
    assert (bodies, removed) == (3, 5)
    left = Message.objects.order_by("pk").values_list("pk", flat=True)
    assert list(left) == [rows[n].pk for n in (1, 4, 7, 8)]  # those that wait, and the young
    assert MessageAddress.objects.count() == 8
    assert Message.objects.filter(idempotency_key__isnull=False).count() == 2
    assert retention.purge() == (0, 0)


def test_mail_of_a_clock_that_was_ahead_does_not_keep_what_is_old(
    queued: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_PORTION", 2)
    rows = [queued() for _ in range(6)]
    now = timezone.now()
    for row, days in zip(rows, (300, 300, -100, -100, 300, 300), strict=True):
        Message.objects.filter(pk=row.pk).update(status="failed", created_at=now - timedelta(days=days))
    assert retention.purge() == (0, 4)
    assert [*Message.objects.order_by("pk")] == rows[2:4]
