"""GET /api/mail/messages/{id}: what is shown of a message, and what never."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from mailrelay import history
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import outbox
from tests.contract.answers import MESSAGES, error, is_time, ok
from tests.contract.test_messages import FULL, MAIL

KEYS = {
    "id", "status", "attempts", "next_attempt_at", "to", "subject", "source", "message_id", "last_error",
    "created_at", "sent_at",
}  # fmt: skip


def failed() -> Message:
    """A message that was refused for one of its recipients."""
    told = [
        {"address": "ops@example.com", "status": "sent"},
        {"address": "bad@example.com", "status": "failed", "code": 550, "message": "No such user"},
    ]
    return Message.objects.create(
        status="failed", source="alert", attempts=3, next_attempt_at=None, message_id="<1@example.com>", subject="Disk",
        to=["ops@example.com"], recipients=told, last_error={"stage": "recipient", "code": 550, "message": "No"},
    )  # fmt: skip


def test_a_queued_message_is_shown_with_these_keys(api: APIClient, relay: RelaySettings) -> None:
    queued = ok(api.post(MESSAGES, FULL), 202)
    shown = ok(api.get(f"{MESSAGES}/{queued['id']}"))
    assert shown.keys() == KEYS | {"recipients", "attempt_history", "feedback"}
    assert {name: shown[name] for name in queued} == queued
    assert (shown["attempts"], shown["source"], shown["last_error"], shown["sent_at"]) == (
        0,
        "api",
        None,
        None,
    )
    assert (shown["to"], shown["subject"]) == (FULL["to"], FULL["subject"])
    assert is_time(shown["created_at"]) and is_time(shown["next_attempt_at"])


def test_the_list_shows_the_same_without_recipients(api: APIClient, relay: RelaySettings) -> None:
    queued = ok(api.post(MESSAGES, MAIL), 202)
    (row,) = ok(api.get(MESSAGES))["results"]
    assert row.keys() == KEYS
    shown = ok(api.get(f"{MESSAGES}/{queued['id']}"))
    assert row == {name: shown[name] for name in KEYS}


@pytest.mark.slow
def test_a_failed_message_says_why(api: APIClient) -> None:
    shown = ok(api.get(f"{MESSAGES}/{failed().pk}"))
    assert shown["last_error"] == {"stage": "recipient", "code": 550, "message": "No"}
    assert shown["next_attempt_at"] is None
    assert shown["recipients"] == [
        {"address": "ops@example.com", "status": "sent", "code": None, "message": ""},
        {"address": "bad@example.com", "status": "failed", "code": 550, "message": "No such user"},
    ]


def test_a_sent_message_has_reached_everybody(api: APIClient, queued: Any) -> None:
    row = queued()
    outbox.claim("me", 1)
    outbox.record_sent("me", [row.pk])
    shown = ok(api.get(f"{MESSAGES}/{row.pk}"))
    assert shown["status"] == "sent"
    assert is_time(shown["sent_at"])
    assert [one["status"] for one in shown["recipients"]] == ["sent"]


def test_each_attempt_is_shown_and_nothing_else_of_the_history(api: APIClient) -> None:
    row = failed()
    at = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
    first = history.attempt(
        1, at, stage="data", code=451, message="Later", kind="rejected", host="smtp.test:587", seconds=1.25
    )
    row.history = [first, history.event("retried", at, "user:ada")]
    row.save()
    assert ok(api.get(f"{MESSAGES}/{row.pk}"))["attempt_history"] == [
        {
            "number": 1,
            "at": "2026-11-29T12:00:00Z",
            "stage": "data",
            "kind": "rejected",
            "code": 451,
            "message": "Later",
            "host": "smtp.test:587",
            "duration_ms": 1250,
        }
    ]


@pytest.mark.parametrize("path", [MESSAGES, f"{MESSAGES}/{{}}"])
def test_no_answer_shows_a_body(api: APIClient, relay: RelaySettings, path: str) -> None:
    secret = {"text": "s3cret text", "html": "<p>s3cret html</p>", "headers": {"X-A": "s3cret header"}}
    content = base64.b64encode(b"s3cret file").decode()
    files = [{"filename": "s3cret.txt", "content_base64": content}]
    pk = ok(api.post(MESSAGES, MAIL | secret | {"attachments": files}), 202)["id"]
    shown = api.get(path.format(pk)).content.decode()
    assert "Disk" in shown
    assert "s3cret" not in shown and content not in shown


@pytest.mark.slow
def test_a_message_that_is_not_there_is_404_or_405(api: APIClient, subtests: pytest.Subtests) -> None:
    for method in ["get", "head", "patch", "delete", "post"]:
        for name in [
            "abc",
            "0",
            "-1",
            "1.5",
            "99999999999999999999",
            "9" * 5000,
            "9223372036854775807",
            "9223372036854775808",
            "%00",
            "1/",
            "٣",
            "1e3",
            " 1",
        ]:
            with subtests.test(ascii((method, name))[:80]):
                response = getattr(api, method)(f"{MESSAGES}/{name}")
                assert response.status_code in ({404} if method in ("get", "head") else {404, 405})
                if method != "head":
                    error(
                        response,
                        response.status_code,
                        "not_found" if response.status_code == 404 else "method_not_allowed",
                    )


@pytest.mark.parametrize("method", ["put", "patch", "delete", "post"])
def test_a_message_is_only_read(api: APIClient, method: str) -> None:
    error(getattr(api, method)(f"{MESSAGES}/{failed().pk}"), 405, "method_not_allowed")


def test_head_and_options_are_answered(api: APIClient) -> None:
    path = f"{MESSAGES}/{failed().pk}"
    assert [api.head(one).status_code for one in (MESSAGES, path)] == [200, 200]
    assert set(api.options(MESSAGES)["Allow"].split(", ")) == {"GET", "POST", "HEAD", "OPTIONS"}
    assert set(api.options(path)["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
