"""POST /api/mail/messages/{id}/retry."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from mailrelay.models import Message
from tests.contract.answers import MESSAGES, error, ok

Queue = Callable[..., Message]


def path(row: Message) -> str:
    return f"{MESSAGES}/{row.pk}/retry"


def put(row: Message, status: str, **fields: Any) -> None:
    Message.objects.filter(pk=row.pk).update(status=status, **fields)


@pytest.mark.parametrize("status", ["failed", "retrying", "queued"])
def test_a_message_that_waits_or_failed_is_due_now(
    api: APIClient, queued: Queue, rings: list[str], django_capture_on_commit_callbacks: Any, status: str
) -> None:
    row = queued()
    later = None if status == "failed" else timezone.now() + timedelta(hours=5)
    put(row, status, next_attempt_at=later, attempts=7)
    rings.clear()
    with django_capture_on_commit_callbacks(execute=True):
        answer = ok(api.post(path(row)), 202)
    assert answer == {"id": row.pk, "status": "queued", "message_id": row.message_id}
    row.refresh_from_db()
    assert (
        row.status == "queued" and row.next_attempt_at is not None and row.next_attempt_at <= timezone.now()
    )
    assert rings == ["ring"]


def test_only_who_was_refused_is_tried_again(api: APIClient, queued: Queue) -> None:
    row = queued("a@example.com", "b@example.com")
    told = [
        {"address": "a@example.com", "status": "sent"},
        {"address": "b@example.com", "status": "failed", "code": 550},
    ]
    put(row, "failed", recipients=told)
    ok(api.post(path(row)), 202)
    shown = ok(api.get(f"{MESSAGES}/{row.pk}"))["recipients"]
    assert [(one["address"], one["status"]) for one in shown] == [
        ("a@example.com", "sent"),
        ("b@example.com", "pending"),
    ]


@pytest.mark.parametrize(("status", "fields"), [("sent", {}), ("sending", {}), ("failed", {"body": None})])
def test_a_message_that_cannot_be_tried_again_is_409(
    api: APIClient, queued: Queue, rings: list[str], status: str, fields: dict[str, Any]
) -> None:
    row = queued()
    put(row, status, **fields)
    error(api.post(path(row)), 409, "not_retryable")
    row.refresh_from_db()
    assert row.status == status


def test_a_message_that_is_not_there_is_404(api: APIClient, subtests: pytest.Subtests) -> None:
    for name in ["0", "1", "abc", "99999999999999999999", "9223372036854775807", "-1", "9" * 5000]:
        with subtests.test(ascii(name)[:80]):
            error(api.post(f"{MESSAGES}/{name}/retry"), 404, "not_found")


def test_options_are_answered(api: APIClient, queued: Queue) -> None:
    assert set(api.options(path(queued()))["Allow"].split(", ")) == {"POST", "OPTIONS"}


def test_a_retry_that_is_repeated_under_its_key_happens_once(
    api: APIClient, queued: Queue, keyed: Any
) -> None:
    row = queued()
    put(row, "failed")
    first = ok(keyed(path(row), None), 202)
    put(row, "failed")
    assert ok(keyed(path(row), None), 202) == first
    row.refresh_from_db()
    assert row.status == "failed"


def test_a_retry_without_a_relay_is_taken_and_waits(api: APIClient, queued: Queue, relay: Any) -> None:
    row = queued()
    relay.delete()
    put(row, "failed")
    ok(api.post(path(row)), 202)


@pytest.mark.django_db(transaction=True)
def test_a_message_that_is_removed_meanwhile_is_no_500(
    api: APIClient, queued: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = queued()

    def vanish(message: Message) -> bool:
        Message.objects.all().delete()
        return True

    monkeypatch.setattr("mailrelay.api.viewsets.byhand.retry", vanish)
    assert api.post(path(row)).status_code in {202, 404}
