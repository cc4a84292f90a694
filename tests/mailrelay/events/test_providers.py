"""Each provider's documented payloads are read, and only calls that the provider signed are accepted."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from mailrelay.events import amazon, mailgun, postmark, sendgrid, ses
from mailrelay.events.event import Call, Event, EventRefused
from mailrelay.events.providers import PROVIDERS
from tests.mailrelay.events import calls
from tests.mailrelay.events.calls import NOW, call


def told(events: list[Event]) -> list[tuple[str, str, str, bool, str]]:
    """Type, recipient, and what it is for the message."""
    return [
        (event.type, event.recipient, event.outcome.kind, event.outcome.hard, event.outcome.status)
        if event.outcome
        else (event.type, event.recipient, "", False, "")
        for event in events
    ]


ANNA, BOB = "anna@example.com", "bob@example.com"


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (calls.MAILGUN_FAILED, ("bounced", ANNA, "bounced", True, "5.1.1")),
        (calls.MAILGUN_TEMPORARY, ("deferred", ANNA, "delayed", False, "4.2.2")),
        (calls.MAILGUN_DELIVERED, ("delivered", ANNA, "delivered", False, "")),
        (calls.MAILGUN_COMPLAINED, ("complained", ANNA, "complained", False, "")),
        ({**calls.MAILGUN_FAILED, "reason": "suppress-bounce"}, ("bounced", ANNA, "bounced", True, "5.1.1")),
        ({"event": "opened", "recipient": ANNA}, ("opened", ANNA, "", False, "")),
    ],
)
def test_mailgun(event: dict[str, Any], wanted: tuple[Any, ...]) -> None:
    signed = call(calls.mailgun(event))
    mailgun.verify(signed, calls.KEY)
    (read,) = mailgun.read(signed)
    assert told([read]) == [wanted]


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (calls.SENDGRID_BOUNCE, ("bounced", ANNA, "bounced", True, "5.1.1")),
        (calls.SENDGRID_BLOCKED, ("bounced", ANNA, "bounced", False, "5.7.1")),
        (calls.SENDGRID_DROPPED, ("rejected", ANNA, "bounced", True, "5.0.0")),
        (calls.SENDGRID_DELIVERED, ("delivered", ANNA, "delivered", False, "")),
        (calls.SENDGRID_DEFERRED, ("deferred", ANNA, "delayed", False, "")),
        (calls.SENDGRID_SPAM, ("complained", ANNA, "complained", False, "")),
        (calls.SENDGRID_OPEN, ("opened", ANNA, "", False, "")),
    ],
)
def test_sendgrid(event: dict[str, Any], wanted: tuple[Any, ...]) -> None:
    signed = call(*calls.sendgrid(event, event))
    sendgrid.verify(signed, calls.SENDGRID_PUBLIC)
    assert told(sendgrid.read(signed)) == [wanted, wanted]


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (calls.POSTMARK_BOUNCE, ("bounced", ANNA, "bounced", True, "5.1.1")),
        (calls.POSTMARK_SOFT, ("bounced", ANNA, "bounced", False, "5.2.2")),
        (calls.POSTMARK_COMPLAINT, ("complained", ANNA, "complained", False, "5.1.1")),
        (calls.POSTMARK_DELIVERY, ("delivered", ANNA, "delivered", False, "")),
        (calls.POSTMARK_AUTO, ("autoresponded", ANNA, "", False, "")),
    ],
)
def test_postmark(event: dict[str, Any], wanted: tuple[Any, ...]) -> None:
    received = call(json.dumps(event).encode())
    postmark.verify(received, "")
    assert told(postmark.read(received)) == [wanted]


@pytest.fixture
def amazons(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of Amazon, which answers with our certificate."""
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        return calls.certificate()

    amazon.certificate.cache_clear()
    monkeypatch.setattr(amazon, "fetch", fetch)
    return asked


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (calls.SES_BOUNCE, [("bounced", ANNA, "bounced", True, "5.1.1")]),
        (calls.SES_FULL, [("bounced", ANNA, "bounced", False, "5.2.2")]),
        (calls.SES_COMPLAINT, [("complained", ANNA, "complained", False, "")]),
        (calls.SES_DELAY, [("deferred", ANNA, "delayed", False, "4.4.1")]),
        (
            calls.SES_DELIVERY,
            [("delivered", ANNA, "delivered", False, ""), ("delivered", BOB, "delivered", False, "")],
        ),
        (
            calls.SES_REJECT,
            [("rejected", ANNA, "bounced", False, ""), ("rejected", BOB, "bounced", False, "")],
        ),
    ],
)
def test_ses(amazons: list[str], event: dict[str, Any], wanted: list[tuple[Any, ...]], version: str) -> None:
    signed = call(calls.ses(event, version=version))
    ses.verify(signed, calls.TOPIC)
    read = ses.read(signed)
    assert told(read) == wanted
    assert {each.message_ids for each in read} == {(f"<{calls.MESSAGE_ID}>",)}
    assert amazons == [calls.CERT_URL]


def test_what_ses_says_to_try_the_topic_is_no_event(amazons: list[str]) -> None:
    signed = call(
        calls.sns("Notification", "Successfully validated SNS topic for Amazon SES event publishing.")
    )
    ses.verify(signed, calls.TOPIC)
    assert ses.read(signed) == []


# --- what is refused


def with_body(signed: Call, body: bytes) -> Call:
    return Call(signed.headers, body, signed.now)


@pytest.mark.parametrize("key", ["", "another key"])
def test_mailgun_calls_with_another_key_are_refused(key: str) -> None:
    with pytest.raises(EventRefused):
        mailgun.verify(call(calls.mailgun(calls.MAILGUN_FAILED)), key)


@pytest.mark.parametrize("hours", [-10, 10])
def test_old_calls_are_refused(hours: int) -> None:
    at = NOW + timedelta(hours=hours)
    with pytest.raises(EventRefused, match="too old"):
        mailgun.verify(call(calls.mailgun(calls.MAILGUN_FAILED, at=at)), calls.KEY)
    with pytest.raises(EventRefused, match="too old"):
        sendgrid.verify(
            call(*calls.sendgrid(calls.SENDGRID_BOUNCE, at=at + timedelta(hours=hours * 2))),
            calls.SENDGRID_PUBLIC,
        )


def test_a_changed_body_is_refused(amazons: list[str]) -> None:
    signed = call(*calls.sendgrid(calls.SENDGRID_DELIVERED))
    with pytest.raises(EventRefused):
        sendgrid.verify(with_body(signed, signed.body.replace(b"anna", b"mary")), calls.SENDGRID_PUBLIC)
    signed = call(calls.ses(calls.SES_BOUNCE))
    with pytest.raises(EventRefused):
        ses.verify(with_body(signed, signed.body.replace(b"anna", b"mary")), calls.TOPIC)


def test_another_topic_is_refused_before_anything_is_fetched(amazons: list[str]) -> None:
    with pytest.raises(EventRefused, match="another SNS topic"):
        ses.verify(call(calls.ses(calls.SES_BOUNCE)), calls.TOPIC.replace("ses-events", "evil"))
    assert amazons == []


@pytest.mark.parametrize(
    "url",
    [
        f"http://sns.us-east-1.amazonaws.com/{calls.PEM}",
        f"https://sns.us-east-1.amazonaws.com.evil.example/{calls.PEM}",
        f"https://evil.example/sns.us-east-1.amazonaws.com/{calls.PEM}",
        f"https://sns.us-east-1.amazonaws.com@evil.example/{calls.PEM}",
        f"https://sns.us-east-1.amazonaws.com:444/{calls.PEM}",
        f"https://bucket.s3.amazonaws.com/{calls.PEM}",
        f"https://SNS.evil.amazonaws.com/{calls.PEM}",
        f"https://[::1/{calls.PEM}",
        # SNS returns what somebody has stored there, such as a certificate of theirs, to a query that they signed.
        f"https://sns.us-east-1.amazonaws.com/{calls.PEM}?Action=GetEndpointAttributes",
        "https://sns.us-east-1.amazonaws.com/x.pem?Action=GetEndpointAttributes",
        "https://sns.us-east-1.amazonaws.com/x.pem",
        f"{calls.CERT_URL}\n",
        "",
    ],
)
def test_a_certificate_from_elsewhere_is_not_fetched(amazons: list[str], url: str) -> None:
    with pytest.raises(EventRefused):
        ses.verify(call(calls.ses(calls.SES_BOUNCE, SigningCertURL=url)), calls.TOPIC)
    assert amazons == []


@pytest.mark.parametrize(
    "given", ["", "Basic !!", "Bearer x", "Basic " + base64.b64encode(b"q:wrong").decode()]
)
def test_postmark_calls_without_the_password_are_refused(given: str) -> None:
    received = call(b"{}", {"Authorization": given})
    with pytest.raises(EventRefused):
        postmark.verify(received, "right")
    right = "Basic " + base64.b64encode(b"quazzar:right").decode()
    postmark.verify(call(b"{}", {"Authorization": right}), "right")


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"5", b'"x"', b"[1]", b"[[[]]]", b"\xff", b"[" * 90_000, b'{"a":' * 9_000],
)
def test_what_no_provider_sends_is_refused_or_tells_nothing(
    amazons: list[str], provider: str, body: bytes
) -> None:
    received = call(body)
    known = PROVIDERS[provider]
    try:
        known.verify(received, "" if provider == "postmark" else "key")
        events = known.read(received)
    except EventRefused:
        return
    assert all(event.outcome is None for event in events)


def test_json_of_other_types_breaks_no_reader() -> None:
    """Each value of a documented payload becomes one of another type, one after the other."""
    samples: dict[str, Any] = {
        "mailgun": {"event-data": calls.MAILGUN_FAILED},
        "sendgrid": [calls.SENDGRID_BOUNCE],
        "postmark": calls.POSTMARK_BOUNCE,
    }
    for name, sample in samples.items():
        for changed in _changed(sample):
            PROVIDERS[name].read(call(json.dumps(changed).encode()))
    for changed in _changed(calls.SES_BOUNCE):
        body = {"Type": "Notification", "Message": json.dumps(changed)}
        ses.read(call(json.dumps(body).encode()))


def _changed(value: Any) -> list[Any]:
    found: list[Any] = [None, 5, -1e300, "x", [], {}, [[]], {"a": {}}]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for place, inner in items:
        for changed in _changed(inner):
            copy = dict(value) if isinstance(value, dict) else list(value)
            copy[place] = changed
            found.append(copy)
    return found
