"""/api/mail/events/PROVIDER/TOKEN: what a provider's call does, and which calls are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from mailrelay.events import amazon, settings
from mailrelay.models import EventSource, Feedback, Message, RelaySettings, Suppression
from quazzar.access import strangers
from quazzar.errors import InvalidFields, NotFound
from tests.contract.answers import error, ok
from tests.mailrelay.events import calls
from tests.mailrelay.feedback.test_recording import sent

pytestmark = pytest.mark.django_db


@pytest.fixture
def message(relay: RelaySettings) -> Message:
    return sent("anna@example.com")


def address(row: EventSource) -> str:
    return f"/api/mail/events/{row.provider}/{row.token.reveal()}"


def post(row: EventSource, body: bytes, headers: dict[str, str] | None = None) -> Any:
    return call_at(address(row), body, headers)


def call_at(path: str, body: bytes, headers: dict[str, str] | None = None) -> Any:
    return Client().generic("POST", path, body, content_type="application/json", headers=headers or {})


def bounce() -> bytes:
    return calls.mailgun(calls.MAILGUN_FAILED, at=timezone.now())


def test_a_bounce_ends_on_its_message_once(message: Message) -> None:
    row = settings.save("mailgun", calls.KEY)
    assert ok(post(row, bounce())) == {"recorded": 1}
    assert ok(post(row, bounce())) == {"recorded": 0}
    told = Feedback.objects.get()
    assert (told.message, told.kind, told.hard, told.source, told.proven) == (
        message,
        "bounced",
        True,
        "mailgun",
        True,
    )
    assert Suppression.objects.get().address == "anna@example.com"
    row.refresh_from_db()
    assert row.last_event == "bounced: anna@example.com"


def test_sendgrid_and_postmark_are_heard(message: Message) -> None:
    body, headers = calls.sendgrid(calls.SENDGRID_DELIVERED, calls.SENDGRID_OPEN, at=timezone.now())
    assert ok(post(settings.save("sendgrid", calls.SENDGRID_PUBLIC), body, headers)) == {"recorded": 1}
    # Postmark names neither our Message-ID nor our envelope sender in a bounce: recipient and subject must do.
    assert ok(post(settings.save("postmark", ""), json.dumps(calls.POSTMARK_SOFT).encode())) == {
        "recorded": 1
    }
    assert [row.kind for row in message.feedback.all()] == ["delivered", "bounced"]


def test_ses_subscribes_and_only_that_topic_is_heard(
    message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        return calls.certificate()

    amazon.certificate.cache_clear()
    monkeypatch.setattr(amazon, "fetch", fetch)
    row = settings.save("ses", "")
    error(post(row, calls.ses(calls.SES_BOUNCE)), 403, "event_refused")
    assert ok(
        post(row, calls.sns("SubscriptionConfirmation", "You have chosen …", **calls.SUBSCRIPTION))
    ) == {"recorded": 0}
    assert asked == [calls.CERT_URL, calls.CONFIRM_URL]
    assert ok(post(row, calls.ses(calls.SES_BOUNCE))) == {"recorded": 1}
    other = {"TopicArn": calls.TOPIC.replace("ses-events", "evil")}
    error(post(row, calls.ses(calls.SES_BOUNCE, **other)), 403, "event_refused")
    ok(post(row, calls.sns("UnsubscribeConfirmation", "You have chosen …", **calls.SUBSCRIPTION)))
    row.refresh_from_db()
    assert row.last_event == "subscription ended: SNS sends no more events"
    assert asked == [calls.CERT_URL, calls.CONFIRM_URL]


def test_a_call_that_is_not_signed_is_refused_and_said_so(message: Message) -> None:
    row = settings.save("mailgun", calls.KEY)
    error(
        post(row, calls.mailgun(calls.MAILGUN_FAILED, key="other", at=timezone.now())), 403, "event_refused"
    )
    assert not Feedback.objects.exists()
    row.refresh_from_db()
    assert (row.last_event_at, row.refusal) == (
        None,
        "This call is not signed as the provider signs its calls.",
    )


def test_a_provider_may_call_as_often_as_it_has_events_and_a_stranger_not(
    message: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strangers, "BURST", 3)
    monkeypatch.setattr(strangers, "PER_SECOND", 0)
    client, path = Client(), address(settings.save("mailgun", calls.KEY))

    def statuses(body: bytes) -> set[int]:
        return {
            client.generic(
                "POST", path, body, content_type="application/json", REMOTE_ADDR="203.0.113.9"
            ).status_code
            for _ in range(6)
        }

    assert statuses(bounce()) == {200}
    assert statuses(calls.mailgun(calls.MAILGUN_FAILED, key="other", at=timezone.now())) == {403, 429}


@pytest.mark.parametrize("path", ["mailgun/guessed", "sendgrid/{}", "nobody/{}", "mailgun/{}x"])
def test_another_address_is_401(message: Message, path: str) -> None:
    row = settings.save("mailgun", calls.KEY)
    token = str(row.token.reveal())
    answer = call_at(f"/api/mail/events/{path.format(token)}", bounce())
    error(answer, 401, "not_authenticated")


def test_without_the_plan_it_is_402(plan: Callable[[str], None], message: Message) -> None:
    plan("community")
    assert post(settings.save("mailgun", calls.KEY), bounce()).status_code == 402


def test_a_body_of_more_than_a_megabyte_is_not_read(message: Message) -> None:
    row = settings.save("postmark", "")
    error(post(row, b" " * (1024 * 1024 + 1)), 413, "too_large")


def test_only_calls_by_post_are_taken(message: Message) -> None:
    row = settings.save("mailgun", calls.KEY)
    error(Client().get(address(row)), 405, "method_not_allowed")


def test_the_old_address_is_dead_once_it_was_changed(message: Message) -> None:
    row = settings.save("mailgun", calls.KEY)
    before = address(row)
    after = settings.renew("mailgun")
    error(call_at(before, bounce()), 401, "not_authenticated")
    assert ok(post(after, bounce())) == {"recorded": 1}
    settings.remove("mailgun")
    error(post(after, bounce()), 401, "not_authenticated")


def test_a_key_is_needed_where_calls_are_signed_and_kept_when_none_is_typed() -> None:
    with pytest.raises(InvalidFields):
        settings.save("mailgun", "")
    with pytest.raises(InvalidFields):
        settings.save("mailgun", "two\nlines")
    for provider, wrong in (
        ("sendgrid", "SG.an-api-key"),
        ("sendgrid", f"-----BEGIN PUBLIC KEY-----{calls.SENDGRID_PUBLIC}"),
        ("ses", "arn:aws:ses:us-east-1:123456789012:identity/example.com"),
        ("ses", "ses-events"),
    ):
        with pytest.raises(InvalidFields) as refused:
            settings.save(provider, wrong)
        assert "Paste it again" in refused.value.fields["key"][0]
    settings.save("mailgun", calls.KEY)
    row = settings.save("mailgun", "")
    assert row.key is not None
    assert row.key.reveal() == calls.KEY
    for change in (
        lambda: settings.renew("ses"),
        lambda: settings.remove("ses"),
        lambda: settings.save("x", ""),
    ):
        with pytest.raises(NotFound):
            change()


@pytest.mark.parametrize("odd", ["\x00", "\ud800", "\u202e", "\x1b[31m"])
@pytest.mark.parametrize(
    "place", ["recipient", "message", "mx-host", "enhanced-code", "sender", "message-id"]
)
def test_characters_that_no_database_takes_change_nothing(message: Message, odd: str, place: str) -> None:
    text = json.dumps(odd)[1:-1].encode()
    body = calls.mailgun(calls.MAILGUN_FAILED, at=timezone.now()).replace(
        f'"{place}": "'.encode(), f'"{place}": "'.encode() + text
    )
    assert text in body
    assert ok(post(settings.save("mailgun", calls.KEY), body))["recorded"] in (0, 1)


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", 1e300, -1e300, "soon"]
)
def test_impossible_times_change_nothing(message: Message, at: object) -> None:
    event = calls.POSTMARK_SOFT | {"BouncedAt": at}
    assert ok(post(settings.save("postmark", ""), json.dumps(event).encode())) == {"recorded": 1}
    assert Feedback.objects.get().at >= message.created_at


@pytest.mark.parametrize(
    ("provider", "key", "body", "headers"),
    [
        ("mailgun", calls.KEY, b'{"signature": {"timestamp": "\\ud800", "token": "", "signature": ""}}', {}),
        ("mailgun", calls.KEY, b'{"signature": {"timestamp": "1", "token": "", "signature": "\\ud800"}}', {}),
        ("sendgrid", calls.SENDGRID_PUBLIC, b"[]", {"X-Twilio-Email-Event-Webhook-Signature": "\xe9"}),
        ("postmark", "secret", b"{}", {"Authorization": "Basic \xe9"}),
        (
            "ses",
            "",
            b'{"Type": "Notification", "SignatureVersion": "1", "SigningCertURL": "https://[", "Message": "\\ud800"}',
            {},
        ),
        ("mailgun", calls.KEY, b"\xff", {}),
        ("ses", "", b"[" * 100_000, {}),
    ],
)
def test_a_malformed_call_is_refused(
    message: Message, provider: str, key: str, body: bytes, headers: dict[str, str]
) -> None:
    error(post(settings.save(provider, key), body, headers), 403, "event_refused")
