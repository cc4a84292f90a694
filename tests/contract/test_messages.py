"""POST and GET /api/mail/messages, and GET /api/mail/messages/{id}."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections
from rest_framework.test import APIClient

from mailrelay.mail import mime, payload
from mailrelay.mail.emails import Email
from mailrelay.models import Message, RelaySettings
from quazzar import doorbell
from quazzar.sealing import agreement
from tests.contract.answers import MESSAGES, error, ok, wrong

Keyed = Callable[..., Any]
KEYS = {
    "id", "status", "attempts", "next_attempt_at", "to", "subject", "source", "message_id", "last_error",
    "created_at", "sent_at",
}  # fmt: skip
MAIL: dict[str, Any] = {"to": ["ops@example.com"], "subject": "Disk", "text": "92 %"}
FULL: dict[str, Any] = {
    "to": ["Ops <ops@example.com>", "b@example.com"], "cc": ["c@example.com"], "bcc": ["hidden@example.com"],
    "subject": "Größe", "text": "92 %", "html": "<b>92 %</b>", "from_address": "Node <nas@example.net>",
    "reply_to": "desk@example.com", "headers": {"X-Node": "nas", "X-Empty": ""},
    "attachments": [
        {"filename": "dä f.txt", "content_type": "text/plain", "content_base64": "OTIg\r\nJQo="},
        {"filename": "empty.bin", "content_base64": ""},
        {"filename": "a.ics", "content_type": "text/calendar; method=REQUEST", "content_base64": "QQ=="},
    ],
}  # fmt: skip


def mail_of(pk: int) -> Email:
    """What the queue holds."""
    body = Message.objects.get(pk=pk).body
    assert body is not None
    email = payload.load(body.reveal())
    assert isinstance(email, Email)
    return email


# --- queueing ----------------------------------------------------------------------------------------------
def test_a_mail_is_queued(api: APIClient, relay: RelaySettings, rings: list[str]) -> None:
    answer = ok(api.post(MESSAGES, MAIL), 202)
    row = Message.objects.get()
    assert answer == {"id": row.pk, "status": "queued", "message_id": row.message_id}
    assert (row.source, row.to, row.subject, row.attempts) == ("api", ["ops@example.com"], "Disk", 0)
    assert row.message_id.startswith("<") and row.message_id.endswith("@example.org>")


def test_every_field_reaches_the_queue(api: APIClient, relay: RelaySettings) -> None:
    email = mail_of(ok(api.post(MESSAGES, FULL), 202)["id"])
    for name in FULL.keys() - {"attachments"}:
        assert getattr(email, name) == FULL[name], name
    assert [(one.filename, one.content_type, one.content) for one in email.attachments] == [
        ("dä f.txt", "text/plain", b"92 %\n"),
        ("empty.bin", "application/octet-stream", b""),
        ("a.ics", "text/calendar; method=REQUEST", b"A"),
    ]
    row = Message.objects.get()
    assert row.envelope_sender == "nas@example.net"
    assert [one["address"] for one in row.recipients] == [
        "ops@example.com", "b@example.com", "c@example.com", "hidden@example.com",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["to", "cc", "bcc"])
def test_one_recipient_of_any_kind_is_enough(api: APIClient, relay: RelaySettings, name: str) -> None:
    ok(api.post(MESSAGES, {name: ["ops@example.com"]}), 202)


@pytest.mark.parametrize(
    "part",
    [
        {"subject": ""}, {"subject": "x" * 2000}, {"subject": "wörter " * 400}, {"subject": " kept "},
        {"subject": "%s{}"},
        {"subject": "tab\there"}, {"text": "", "html": ""}, {"text": "\r\n.\r\n"}, {"text": "x" * 100_000},
        {"text": "🔑"}, {"from_address": "", "reply_to": ""},
        {"cc": [], "bcc": [], "attachments": [], "headers": {}},
        {"to": ["ops@example.com"] * 3}, {"to": ["jörg@müller.example"]},
        {"to": ['"Doe, J." <j@example.com>']},
        {"headers": {"X-Long": "word " * 300}}, {"headers": {"List-Unsubscribe": "<mailto:x@example.com>"}},
        {"headers": {"List-Unsubscribe": "<https://example.com/u?t=" + "a" * 880 + ">"}},
    ],
    ids=lambda part: repr(part)[:50],
)  # fmt: skip
def test_what_a_mail_may_hold_is_taken(api: APIClient, relay: RelaySettings, part: dict[str, Any]) -> None:
    email = mail_of(ok(api.post(MESSAGES, MAIL | part), 202)["id"])
    for name in part.keys() - {"attachments"}:
        assert getattr(email, name) == part[name]
    rendered = mime.render(email, message_id="<1@x>", date=mime.now(), default_from="node@example.org")
    assert max(map(len, rendered.data.split(b"\r\n"))) <= 998


def test_the_longest_from_address_is_taken(api: APIClient, relay: RelaySettings) -> None:
    longest = "a@" + ".".join(["x" * 62] * 4)
    ok(api.post(MESSAGES, MAIL | {"from_address": longest}), 202)
    limit = Message._meta.get_field("message_id").max_length  # PostgreSQL would refuse the row
    assert limit is not None and len(Message.objects.get().message_id) <= limit


def test_a_lost_key_does_not_keep_new_mail_out(
    api: APIClient, relay: RelaySettings, settings: Any, tmp_path: Any
) -> None:
    ok(api.post(MESSAGES, MAIL), 202)
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "other.key"
    agreement.adopt()  # which takes an operator where the database may be shared
    ok(api.post(MESSAGES, MAIL), 202)
    assert ok(api.get(MESSAGES))["count"] == 2


# --- durable -----------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
def test_the_doorbell_rings_after_the_commit(
    api: APIClient,
    relay: RelaySettings,
    monkeypatch: pytest.MonkeyPatch,
    at_once: Any,
    headers: dict[str, str],
) -> None:
    seen: list[tuple[bool, int]] = []

    def ring(task: str, *ids: int) -> None:
        (elsewhere,) = at_once(1, Message.objects.count)
        seen.append((connection.in_atomic_block, elsewhere))

    monkeypatch.setattr(doorbell, "ring", ring)
    ok(api.post(MESSAGES, MAIL, headers=headers), 202)
    assert seen == [(False, 1)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
def test_a_mail_that_was_answered_is_in_the_database(
    api: APIClient, relay: RelaySettings, headers: dict[str, str]
) -> None:
    answer = ok(api.post(MESSAGES, MAIL, headers=headers), 202)
    connections.close_all()  # as a killed process does
    assert Message.objects.get(pk=answer["id"]).status == "queued"


@pytest.mark.django_db(transaction=True)
def test_a_mail_that_could_not_be_stored_rings_nobody(
    api: APIClient, relay: RelaySettings, rings: list[str], keyed: Keyed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("quazzar.api.idempotency._finish", fail)
    api.raise_request_exception = False
    error(keyed(MESSAGES, MAIL), 500, "internal_error")
    assert not Message.objects.exists()
    assert rings == []


# --- once --------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_the_same_key_and_body_is_one_mail(keyed: Keyed, relay: RelaySettings, rings: list[str]) -> None:
    first, again = keyed(MESSAGES, MAIL), keyed(MESSAGES, dict(reversed(MAIL.items())))
    assert ok(first, 202) == ok(again, 202)
    assert Message.objects.count() == len(rings) == 1


def test_the_same_key_with_another_body_is_a_conflict(keyed: Keyed, relay: RelaySettings) -> None:
    keyed(MESSAGES, MAIL)
    error(keyed(MESSAGES, MAIL | {"text": "93 %"}), 409, "idempotency_conflict")
    assert Message.objects.count() == 1


def test_what_was_refused_may_be_mended_under_the_same_key(keyed: Keyed, relay: RelaySettings) -> None:
    wrong(keyed(MESSAGES, MAIL | {"to": ["nobody"]}))
    ok(keyed(MESSAGES, MAIL), 202)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_eight_at_once_with_one_key_are_one_mail(
    keyed: Keyed, relay: RelaySettings, rings: list[str], at_once: Any
) -> None:
    answers = at_once(8, lambda: keyed(MESSAGES, MAIL))
    assert len({ok(answer, 202)["id"] for answer in answers}) == 1
    assert Message.objects.count() == len(rings) == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_eight_at_once_without_a_key_are_eight(api: APIClient, relay: RelaySettings, at_once: Any) -> None:
    answers = at_once(8, lambda: api.post(MESSAGES, MAIL))
    assert len({ok(answer, 202)["message_id"] for answer in answers}) == 8
