"""Finding mail: by address, Message-ID, queue id, client and subject, over the relay and the mail server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from mailboxes.maillog import finding
from mailboxes.maillog.daemons.event import Event, Kind
from mailboxes.maillog.filing import store
from mailboxes.maillog.finding import Cursor
from mailboxes.models import Journey
from mailrelay.models import Message
from tests.mailboxes.maillog import records
from tests.mailboxes.maillog.test_journeys import mail

pytestmark = pytest.mark.django_db
Queue = Callable[..., Message]


@pytest.fixture
def recorded() -> None:
    store(records.events())


def states(text: str, tab: str = "all") -> list[str]:
    return [one.journey.state for one in finding.find(text, tab).rows if one.journey]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nobody@hard.test", ["bounced"]),
        ("NOBODY@hard.TEST", ["bounced"]),
        ("<nobody@hard.test>", ["bounced"]),
        ("179602231395.8658.18128612269156916550@client.test", ["delivered"]),
        ("<179602231395.8658.18128612269156916550@client.test>", ["delivered"]),
        ("4jdFR83p4czCnRM", ["delivered"]),
        ("99A6117E356", ["refused"]),
        ("käthe@rec.test", ["refused"]),
        ('"two words"@far.test', ["delivered"]),
        ("two words@far.test", ["delivered"]),
        ("grey@greylist.test", ["waiting", "waiting"]),
        ("ABCDEF0123", []),
        ("no-such@address.test", []),
        ("hello world", []),
        ("'; DROP TABLE", []),
    ],
)  # fmt: skip
def test_what_was_typed_finds_the_mail(recorded: None, text: str, expected: list[str]) -> None:
    assert states(text) == expected


def test_a_client_finds_the_mail_that_it_handed_in_and_its_attempts_to_sign_in(recorded: None) -> None:
    assert len(states("172.18.0.1")) >= 25
    assert set(states("172.18.0.1", "connections")) == {"connection"}
    assert states("2001:db8::1") == []


def test_tabs_narrow_the_list(recorded: None) -> None:
    assert set(states("", "waiting")) == {"waiting", "arriving"}
    assert set(states("", "failed")) == {"bounced", "refused", "put_off", "discarded", "deleted"}
    assert set(states("", "delivered")) == {"delivered"}
    assert "connection" not in states("")
    reasons = {one.reason for one in finding.find("", "failed").rows}
    assert any("User unknown" in reason for reason in reasons)


def test_pages_hold_every_mail_once(recorded: None, monkeypatch: pytest.MonkeyPatch, queued: Queue) -> None:
    for number in range(9):
        row = queued(subject=f"Message {number}")
        Message.objects.filter(pk=row.pk).update(created_at=records.at(320 + number * 7))
    monkeypatch.setattr(finding, "PAGE", 500)
    whole = [(one.journey, one.message) for one in finding.find().rows]
    assert len(whole) > 50
    monkeypatch.setattr(finding, "PAGE", 7)
    monkeypatch.setattr("mailrelay.queue.finding.PAGE", 7)
    pages, before = [], ""
    while True:
        page = finding.find(before=before)
        pages += [(one.journey, one.message) for one in page.rows]
        before = page.older
        if not before:
            break
    assert pages == whole


def test_a_search_by_address_has_pages_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        store(mail(f"A1B2C3{number:02}", f"<{number}@x>", second=number * 60))
    monkeypatch.setattr(finding, "PAGE", 8)
    monkeypatch.setattr(finding, "_CANDIDATES", 10)
    found, before = [], ""
    while True:
        page = finding.find("bob@x.test", "delivered", before=before)
        found += [one.journey.pk for one in page.rows if one.journey]
        before = page.older
        if not before:
            break
    assert len(found) == len(set(found)) == 30 and found == sorted(found, reverse=True)


def test_a_message_that_went_through_the_mail_server_is_one_mail_with_its_subject(queued: Queue) -> None:
    message = queued("bob@x.test", subject="Backup done")
    store(mail("A1B2C3D4", message.message_id, "bob@x.test"))
    for text in ("", "bob@x.test", message.message_id, "A1B2C3D4"):
        (one,) = finding.find(text).rows
        assert one.journey and one.message == message, text
    # Words are only in the message.
    (by_subject,) = finding.find("Backup").rows
    assert by_subject.message == message


def test_two_journeys_of_one_message_both_have_its_subject(queued: Queue) -> None:
    message = queued("bob@x.test", subject="Backup done")
    store(mail("A1B2C3D4", message.message_id, "bob@x.test"))
    later = [
        (at + timedelta(days=3), event) for at, event in mail("B1B2C3D4", message.message_id, "bob@x.test")
    ]
    store(later)
    assert [one.message for one in finding.find("bob@x.test").rows] == [message, message]


def test_without_the_right_to_messages_there_are_none(queued: Queue) -> None:
    message = queued("bob@x.test", subject="Secret")
    assert finding.find("bob@x.test", messages=False).rows == []
    assert len(finding.find("bob@x.test").rows) == 1
    # Nor their subjects, of those that went through the mail server.
    store(mail("A1B2C3D4", message.message_id, "bob@x.test"))
    (one,) = finding.find("bob@x.test", messages=False).rows
    assert one.journey and one.message is None


def test_a_domain_is_found_in_either_spelling() -> None:
    store(
        [
            (
                timezone.now() - timedelta(minutes=1),
                Event("postfix", Kind.REFUSED, recipients=("a@xn--mller-kva.test",)),
            )
        ]
    )
    assert states("a@müller.test") == states("a@xn--mller-kva.test") == ["refused"]


@pytest.mark.parametrize("text", ["", "x", "0", "1-", "-1", "0-0", "1-2-3", "9" * 30 + "-1", "١-٢"])
def test_a_cursor_that_is_none_begins_at_the_newest(text: str) -> None:
    assert Cursor.read(text) == Cursor()


def test_a_cursor_is_read_as_it_was_written() -> None:
    assert Cursor.read(str(Cursor(12, None))) == Cursor(12, None)
    assert Journey.objects.count() == 0
