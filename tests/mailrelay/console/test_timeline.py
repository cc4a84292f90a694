"""The life of a message in words, by table: what the row holds, and the events that are shown of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mailrelay import history
from mailrelay.console import timeline
from mailrelay.models import Feedback, Message, RelaySettings

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
RELAY = RelaySettings(provider="mailgun", host="smtp.mailgun.org", port=587, username="node")


def attempt(
    number: int, stage: str = "data", said: str = "The server answered 451 4.3.0 Later", **more: Any
) -> Any:
    known = {"code": 451, "kind": "rejected", "host": "smtp.test:587", "seconds": 1.5, **more}
    return history.attempt(number, NOW, stage=stage, message=said, **known)


SENT = attempt(1, "done", "2.0.0 Ok: queued as 4F", code=250, kind="")


def titles(**columns: Any) -> list[str]:
    """The titles of the events, the oldest first."""
    row = Message(**{"created_at": NOW, "recipients": [], **columns})
    return [event.title for event in timeline.of(row, RELAY)][::-1]


@pytest.mark.parametrize(
    ("columns", "events"),
    [
        ({}, ["Accepted by the API", "Waiting to be sent"]),
        ({"status": "sending", "attempts": 1}, ["Accepted by the API", "Attempt 1 is running"]),
        (
            {"status": "sent", "attempts": 1, "history": [SENT], "source": "alert", "next_attempt_at": None},
            ["Alert accepted", "Delivered to the relay"],
        ),
        (
            {"status": "retrying", "attempts": 1, "history": [attempt(1)]},
            ["Accepted by the API", "Attempt 1 failed at the message itself", "Next attempt"],
        ),
        (
            {"status": "sent", "attempts": 2, "history": [attempt(1, "auth"), {**SENT, "number": 2}]},
            ["Accepted by the API", "Attempt 1 failed at sign-in", "Delivered to the relay at attempt 2"],
        ),
        (  # a worker was killed at the first attempt
            {"status": "retrying", "attempts": 2, "history": [attempt(2)]},
            [
                "Accepted by the API",
                "Attempt 1: result unknown",
                "Attempt 2 failed at the message itself",
                "Next attempt",
            ],
        ),
        (  # and at the latest one
            {"status": "retrying", "attempts": 3, "history": [attempt(1)]},
            [
                "Accepted by the API",
                "Attempt 1 failed at the message itself",
                "Attempts 2 to 3: result unknown",
                "Next attempt",
            ],
        ),
        (
            {"status": "failed", "attempts": 1, "history": [attempt(1), history.event("cancelled", NOW, "user:ada")],
             "last_error": {"stage": "cancelled", "message": "x"}},
            ["Accepted by the API", "Attempt 1 failed at the message itself", "Cancelled by ada"],
        ),
        (
            {"status": "failed", "attempts": 1, "history": [attempt(1, "recipient", code=550)]},
            ["Accepted by the API", "Attempt 1 failed at the recipient", "Quazzar has stopped trying"],
        ),
        (
            {"history": [{**history.event("copied", NOW, "user:ada"), "message": 7}]},
            ["Sent again by ada", "Waiting to be sent"],
        ),
        (  # rows of versions without a history
            {"status": "failed", "attempts": 3, "last_error": {"stage": "auth", "code": 535, "message": "No"}},
            ["Accepted by the API", "Attempt 3 failed at sign-in", "Quazzar has stopped trying"],
        ),
        ({"status": "sent", "attempts": 1, "sent_at": NOW}, ["Accepted by the API", "Delivered to the relay"]),
    ],
)  # fmt: skip
def test_a_message_has_these_events(columns: dict[str, Any], events: list[str]) -> None:
    assert titles(**columns) == events


def test_attempts_that_are_no_longer_stored_are_one_line() -> None:
    kept: list[Any] = []
    for number in range(1, 41):
        kept = history.added(kept, attempt(number))
    shown = titles(status="retrying", attempts=40, history=kept)
    assert "Attempts 6 to 25: no longer stored" in shown
    assert not any("unknown" in title for title in shown)


@pytest.mark.parametrize(
    ("actor", "words"),
    [
        ("key:prometheus (ada)", "the API key “prometheus” of ada"),
        ("key:a (b) (ada)", "the API key “a (b)” of ada"),
        ("user:ada", "ada"),
        ("sendmail:root", "the local user root"),
        ("command:testmail", "the command testmail"),
        ("system", ""),
        ("", ""),
        ("anonymous", ""),
    ],
)
def test_who_handed_it_in_is_said_in_words(actor: str, words: str) -> None:
    assert timeline.person(actor) == words
    title = titles(submitted_by=actor, source="sendmail")[0]
    assert title == (f"Accepted from sendmail, from {words}" if words else "Accepted from sendmail")


def test_a_failure_has_the_servers_words_once_and_the_hint_of_the_test_card() -> None:
    refused = attempt(
        1, "auth", "The server answered 535 5.7.8 No", code=535, kind="auth_rejected", seconds=12.4
    )
    row = Message(status="retrying", attempts=1, history=[refused], created_at=NOW, next_attempt_at=NOW)
    event = timeline.of(row, RELAY)[1]
    assert event.said == "The server did not accept the username and password: 535 5.7.8 No"
    assert event.hint.startswith("Use the SMTP user")
    assert event.details == "smtp.test:587, 12 s"
    assert event.at == NOW


def test_a_delivery_has_the_servers_final_words() -> None:
    row = Message(status="sent", attempts=1, history=[SENT], created_at=NOW - timedelta(seconds=3))
    event = timeline.of(row, RELAY)[0]
    assert (event.said, event.details, event.tone) == (
        "250 2.0.0 Ok: queued as 4F",
        "smtp.test:587, 1,500 ms",
        "ok",
    )


def test_a_remedy_is_said_once_and_where_it_was_needed_last() -> None:
    attempts = [
        attempt(1),
        attempt(2),
        attempt(3, said="The server answered 552 5.2.2 Mailbox full", code=552),
    ]
    row = Message(status="failed", attempts=3, history=attempts, created_at=NOW, last_error=attempts[-1])
    hints = [event.hint for event in timeline.of(row, RELAY) if event.title.startswith("Attempt")]
    assert hints[0].startswith("The recipient's mailbox is full")
    assert hints[1].startswith("The server says this is temporary")
    assert hints[2] == ""


@pytest.mark.parametrize(
    ("columns", "remedy"),
    [
        ({"kind": "bounced", "hard": True, "status": "5.1.1"}, "This address cannot receive mail."),
        ({"kind": "bounced", "status": "5.2.2", "code": 552}, "The recipient's mailbox is full."),
        (
            {"kind": "bounced", "status": "4.4.1", "code": 451},
            "The server says this is temporary. Send it again",
        ),
        ({"kind": "complained"}, "Send this address no more mail"),
        ({"kind": "delayed"}, ""),
    ],
)
def test_what_came_back_says_what_to_do(columns: dict[str, Any], remedy: str) -> None:
    row = Message(status="sent", attempts=1, history=[SENT], created_at=NOW, recipients=[])
    returned = Feedback(recipient="ada@example.com", source="dsn", at=NOW, **columns)
    hint = timeline.of(row, RELAY, [returned])[0].hint
    assert hint.startswith(remedy) and bool(hint) == bool(remedy)


def test_a_suppressed_mail_is_told_once() -> None:
    people = [{"address": "ada@example.com", "status": "suppressed", "message": "Not sent: it bounced."}]
    entry = attempt(1, "recipient", "Not sent: it bounced.", code=None, kind="suppressed")
    row = Message(status="failed", attempts=1, history=[entry], created_at=NOW, recipients=people)
    told = [(event.title, event.details) for event in timeline.of(row, RELAY)]
    assert [pair for pair in told if "ounced" in pair[1]] == [("Not sent", "It bounced.")]
