"""What never left ends at the place that refused it, at once, and says why."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dnsrecords.proof.judging import before
from dnsrecords.proof.judging.before import Event
from dnsrecords.proof.judging.verdict import At, Mark, first
from tests.dnsrecords.proof.setups import NOON


def attempt(stage: str, code: int | None = None, message: str = "no") -> dict[str, Any]:
    """An attempt as the queue stores it."""
    return {
        "number": 1,
        "at": NOON.isoformat(),
        "stage": stage,
        "code": code,
        "message": message,
        "kind": "",
        "host": "smtp.relay.example:587",
        "duration_ms": 250,
    }


def by_relay(
    *entries: dict[str, Any], security: str = "starttls", host: str = "smtp.relay.example"
) -> before.Left:
    """What these attempts say."""
    return before.by_relay(NOON, entries, host, security, lambda entry: (entry["message"], "Do something."))


@pytest.mark.parametrize(
    ("stage", "code", "key"),
    [
        ("resolve", None, "accepted"),
        ("connect", None, "accepted"),
        ("tls", None, "tls"),
        ("auth", 535, "sign_in"),
        ("auth", 454, "sign_in"),
        ("sender", 550, "sender"),
        ("recipient", 550, "accepted"),
        ("data", 554, "accepted"),
    ],
)
def test_a_refusal_by_the_relay_is_red_there_at_once(stage: str, code: int | None, key: str) -> None:
    left = by_relay(attempt(stage, code, "Refused."))
    found = first(left.stations, Mark.BAD)
    assert left.failed and left.at is None and found is not None
    assert (found[0].key, found[1].key, found[1].sentence) == (At.SENDER, key, "Refused.")


def test_a_relay_that_asks_to_try_again_is_waited_for() -> None:
    left = by_relay(attempt("recipient", 450, "greylisted"))
    assert not left.failed and first(left.stations, Mark.WARNING)


def test_a_mail_that_the_relay_took_has_left() -> None:
    left = by_relay(attempt("connect"), attempt("done", 250, "queued as 1"))
    assert not left.failed and left.at == NOON
    assert first(left.stations, Mark.BAD) is None


def test_a_relay_without_encryption_is_red_unless_it_is_this_machine() -> None:
    found = first(by_relay(attempt("done", 250), security="none").stations, Mark.BAD)
    assert found is not None and (found[0].key, found[1].key) == (At.SENDER, "tls")
    assert "smtp.relay.example is not encrypted" in found[1].sentence
    assert not first(by_relay(attempt("done", 250), security="none", host="127.0.0.1").stations, Mark.BAD)


# --- the mail server's log ---------------------------------------------------------------------------------
RELAY = ("smtp.relay.example", "starttls")


def by_server(*events: Event, relay: tuple[str, str] | None = None) -> before.Left:
    """What these lines say."""
    return before.by_server(NOON, events, "mail.a.example", "b.example", relay)


def deferred(text: str, kind: str = "deferred", remote: str = "") -> Event:
    """A mail that could not be passed on."""
    return Event(NOON + timedelta(seconds=5), kind, text, remote)


SAID = "host mx.b.example[192.0.2.7] said:"
WORDS = {
    "connect to mx.b.example[192.0.2.7]:25: Connection timed out": (
        At.SENDER,
        "port25",
        "cannot reach port 25 of mx.b.example",
    ),
    "connect to mx.b.example[2001:db8::1]:25: Network is unreachable": (
        At.SENDER,
        "port25",
        "network is unreachable",
    ),
    f"{SAID} 554 5.7.1 Service unavailable; Client host [203.0.113.5] blocked by zen.spamhaus.org": (
        At.DOOR,
        "blocklists",
        "zen.spamhaus.org",
    ),
    f"{SAID} 550 5.7.25 The IP address sending this message does not have a PTR record": (
        At.DOOR,
        "ptr",
        "does not have a PTR record",
    ),
    f"{SAID} 450 4.7.1 Client host rejected: cannot find your reverse hostname, [203.0.113.5]": (
        At.DOOR,
        "ptr",
        "cannot find your reverse hostname",
    ),
    f"{SAID} 550 5.7.1 mail from a.example is not accepted due to its DMARC policy": (
        At.IDENTITY,
        "dmarc",
        "DMARC policy",
    ),
    f"{SAID} 550 5.7.23 SPF validation failed": (
        At.IDENTITY,
        "spf",
        "SPF validation failed",
    ),
    f"{SAID} 550 5.7.20 No passing DKIM signature found": (
        At.IDENTITY,
        "dkim",
        "No passing DKIM",
    ),
    f"{SAID} 550 5.1.1 User unknown": (At.DOOR, "accepted", "User unknown"),
}


@pytest.mark.parametrize("text", WORDS)
def test_the_next_server_s_words_say_where_it_is_red(text: str) -> None:
    station, key, part = WORDS[text]
    kind = "deferred" if ":25:" in text or " 450 " in text else "bounced"
    left = by_server(deferred(text, kind, "mx.b.example[192.0.2.7]:25"))
    found = first(left.stations, Mark.BAD)
    assert left.failed and found is not None
    assert (found[0].key, found[1].key) == (station, key)
    assert part in found[1].sentence


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("SASL authentication failed; server smtp.relay.example[192.0.2.9] said: 535 5.7.8 no", "sign_in"),
        (
            "host smtp.relay.example[192.0.2.9] said: 550 5.7.1 Sender not verified (in reply to MAIL FROM command)",
            "sender",
        ),
    ],
)
def test_a_relay_behind_the_mail_server_that_refuses_is_red_there(text: str, key: str) -> None:
    found = first(by_server(deferred(text), relay=RELAY).stations, Mark.BAD)
    assert found is not None and (found[0].key, found[1].key) == (At.SENDER, key)


def test_greylisting_is_waited_for() -> None:
    left = by_server(deferred(f"{SAID} 450 4.2.0 Greylisted, try again later"))
    assert not left.failed and first(left.stations, Mark.WARNING)


def test_a_mail_that_was_taken_after_a_delay_has_left() -> None:
    taken = Event(
        NOON + timedelta(minutes=6), "delivered", "250 2.0.0 Ok", "mx.b.example[192.0.2.7]:25", "smtp"
    )
    left = by_server(deferred("450 4.2.0 try again later"), taken)
    assert left.at == taken.at and not left.failed
    assert left.stations[-1].seconds == 360


def test_a_relay_behind_the_mail_server_without_encryption_is_red() -> None:
    taken = Event(NOON, "delivered", "250 2.0.0 Ok", "smtp.relay.example[192.0.2.9]:25", "smtp")
    assert first(by_server(taken, relay=RELAY).stations, Mark.BAD) is None
    found = first(by_server(taken, relay=("smtp.relay.example", "none")).stations, Mark.BAD)
    assert found is not None and (found[0].key, found[1].key) == (At.SENDER, "tls")
