"""A journey in words, from real lines; and Rspamd's symbols in words."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from mailboxes.maillog import story, symbols
from mailboxes.maillog.daemons.event import Kind
from mailboxes.maillog.filing import store
from mailboxes.models import Journey, MailEvent
from tests.mailboxes.maillog import records


@pytest.fixture
def told(db: None) -> dict[str, list[str]]:
    """Queue id → titles of the journey's steps."""
    store(records.events())
    return {
        queue_id: [step.title for step in story.steps(row, row.events.all())]
        for row in Journey.objects.all()
        for queue_id in row.facts.get("ids", ())
    }


def test_a_mail_from_outside_is_told_from_the_door_to_the_inbox(told: dict[str, list[str]]) -> None:
    assert told["0BB3317E1B5"] == [
        "Accepted from 172.18.0.1",
        "Scanned: not spam",
        "Queued",
        "Delivered to the mailbox of bob@rec.test",
        "Filed in the inbox of bob@rec.test",
    ]


def test_spam_is_told_with_its_points_in_words(told: dict[str, list[str]]) -> None:
    assert told["9DC8F17E1B5"][1] == "Scanned: spam, to be filed in Junk"
    assert told["9DC8F17E1B5"][-1] == "Filed in the folder Junk of bob@rec.test"
    row = Journey.objects.get(keys__key="q:9DC8F17E1B5")
    scan = next(step for step in story.steps(row, row.events.all()) if step.kind == Kind.SCANNED)
    assert scan.details.startswith(
        "10.71 of 15 points. +7 From: is one of our domains, but nobody signed in to send it; +2 "
    )


def test_a_bounce_is_told_with_the_servers_words_and_its_report(told: dict[str, list[str]]) -> None:
    assert told["1E89A17E585"][-5:] == [
        "Queued",
        "Not deliverable to nobody@hard.test",
        "Non-delivery report queued for the sender",
        "Report: delivered to the mailbox of alice@rec.test",
        "Report: filed in the inbox of alice@rec.test",
    ] or set(told["1E89A17E585"]) >= {
        "Not deliverable to nobody@hard.test",
        "Non-delivery report queued for the sender",
    }
    row = Journey.objects.get(keys__key="q:1E89A17E585")
    bounced = next(step for step in story.steps(row, row.events.all()) if step.kind == Kind.BOUNCED)
    assert "User unknown" in bounced.said and bounced.tone == "bad"
    assert bounced.hint == "Check the recipient's address: the other server has no such mailbox."


def test_an_address_that_is_unknown_here_is_not_advised_like_one_elsewhere(db: None) -> None:
    store(records.events())
    row = Journey.objects.filter(keys__key="nobody@rec.test", state=Journey.State.REFUSED).earliest("pk")
    (refused,) = [step for step in story.steps(row, row.events.all()) if step.kind == Kind.REFUSED]
    assert "User unknown" in refused.said
    assert refused.hint.startswith("No mailbox, alias or catch-all of yours has this address.")


def test_a_mail_that_was_turned_away_was_not_accepted_before(told: dict[str, list[str]]) -> None:
    refused = [titles for titles in told.values() if any(title.startswith("Refused") for title in titles)]
    turned_away = [titles for titles in refused if "Queued" not in titles]
    assert turned_away
    for titles in turned_away:
        assert titles[0].startswith("Offered by ") and not any("Accepted" in title for title in titles)


def test_every_kind_has_its_words(db: None) -> None:
    kinds = {value for name, value in vars(Kind).items() if not name.startswith("_")}
    assert set(story._TELLERS) == kinds - {Kind.IDENTIFIED, Kind.REMOVED}
    store(records.events())
    for row in Journey.objects.all():
        for step in story.steps(row, row.events.all()):
            assert step.title and "{" not in step.title and "  " not in step.title


def test_a_journey_of_a_person_who_signs_in(db: None) -> None:
    store(records.events())
    rows = Journey.objects.filter(state="connection")
    titles = {step.title for row in rows for step in story.steps(row, row.events.all())}
    assert titles >= {
        "bob@rec.test signed in to IMAP",
        "alice@rec.test failed to sign in to SMTP",
        "Turned away: commands out of turn",
        "Turned away: a command of another protocol",
        "No TLS with this client",
    }


def test_a_scan_is_told_before_what_was_decided_by_it_even_if_it_was_logged_after() -> None:
    at = timezone.now()
    events = [
        MailEvent(kind=kind, queue_id="A1", at=at + timedelta(milliseconds=late), data={})
        for late, kind in enumerate((Kind.ACCEPTED, Kind.REFUSED, Kind.SCANNED))
    ]
    steps = story.steps(Journey(facts={}), events)
    assert [step.kind for step in steps] == [Kind.ACCEPTED, Kind.SCANNED, Kind.REFUSED]


@pytest.mark.parametrize(
    ("symbol", "text"),
    [
        ("R_SPF_FAIL", "SPF forbids the sending server"),
        ("RBL_SENDERSCORE_BLOCKED", "the sending address is on a blocklist"),
        ("MY_OWN_RULE", "MY_OWN_RULE"),
        ("URIBL_BLACK", "a link on a blocklist"),
    ],
)
def test_symbols_in_words(symbol: str, text: str) -> None:
    assert symbols.word(symbol) == text


def test_numbers_have_one_minus_sign() -> None:
    assert [symbols.number(score) for score in (-0.1, 0.0, 15.0, 10.714)] == ["−0.1", "0", "15", "10.71"]


def test_symbols_that_say_the_same_are_added_up() -> None:
    said = symbols.sentence([("FORGED_SENDER", 0.3), ("FROM_NEQ_ENVFROM", 0.2), ("MIME_GOOD", -0.1)])
    assert said == "+0.5 From: differs from the envelope sender; −0.1 ordinary MIME"
