"""What comes back ends on the message that it is about, once, and suppresses those who cannot be reached."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from mailrelay.bounces import reading, returnpath
from mailrelay.bounces.outcomes import Outcome
from mailrelay.feedback import recording, standing
from mailrelay.models import Feedback, Message, RelaySettings, Suppression
from mailrelay.queue import counts
from quazzar.sealing import keyring

pytestmark = pytest.mark.django_db
CORPUS = Path(__file__).parent.parent / "bounces" / "corpus"


@pytest.fixture
def message(relay: RelaySettings) -> Message:
    return sent("anna@example.com")


def sent(*to: str, message_id: str = "<disk-92@example.org>") -> Message:
    return Message.objects.create(
        status="sent",
        message_id=message_id,
        subject="Disk 92 %",
        to=[*to],
        recipients=[{"address": address, "status": "pending"} for address in to],
        only_recipient=to[0] if len(to) == 1 else None,
        created_at=timezone.now() - timedelta(hours=1),
        sent_at=timezone.now(),
    )


def bounce(name: str = "postfix-unknown-user", to: str = "") -> bytes:
    raw = (CORPUS / f"{name}.eml").read_bytes()
    return raw.replace(b"bounces+aaaaaaaab5k3ql2zq7mxw4ot@example.org", to.encode()) if to else raw


def signed(message: Message) -> str:
    key = keyring.current().derived(returnpath.PURPOSE)[0]
    return returnpath.at("bounces@example.org", key).of(message.pk, message.message_id)


def test_a_bounce_ends_on_its_message_with_the_servers_words(message: Message) -> None:
    assert recording.read_mail(bounce())
    (row,) = standing.of(message.pk)
    assert (row.kind, row.hard, row.status, row.code) == ("bounced", True, "5.1.1", 550)
    assert row.said.startswith("550 5.1.1 <anna@example.com>: Recipient address rejected")
    assert (row.host, row.source, row.reporter, row.proven) == (
        "mail.example.com",
        "dsn",
        "mx.example.net",
        False,
    )
    assert row.report is not None
    assert "I'm sorry to have to inform you" in row.report.reveal()


def test_the_same_bounce_again_changes_nothing(message: Message) -> None:
    assert recording.read_mail(bounce())
    assert recording.read_mail(bounce())
    assert Feedback.objects.count() == 1
    assert counts.reported() == {"bounced": 1, "complained": 0}


def test_the_signed_envelope_sender_counts_before_any_message_id(message: Message) -> None:
    other = sent("anna@example.com", message_id="<other@example.org>")
    assert recording.read_mail(bounce(to=signed(other)))
    (row,) = Feedback.objects.all()
    assert (row.message, row.proven) == (other, True)


def test_a_hard_bounce_suppresses_its_recipient_and_a_soft_one_nobody(relay: RelaySettings) -> None:
    message = sent("anna@example.com", "bob@example.com")
    recording.read_mail(bounce("postfix-several", to=signed(message)))
    assert [(row.address, row.reason) for row in Suppression.objects.all()] == [
        ("bob@example.com", "bounced")
    ]


def test_one_recipient_cannot_have_another_one_suppressed(relay: RelaySettings) -> None:
    """Without an address for bounces, who got the mail can write a report about everybody else who did."""
    message = sent("anna@example.com", "eve@example.com")
    assert recording.read_mail(bounce())
    assert [row.recipient for row in standing.of(message.pk)] == ["anna@example.com"], "it is told"
    assert not Suppression.objects.exists()
    alone = sent("anna@example.com", message_id="<alone@example.org>")
    assert recording.read_mail(bounce().replace(b"disk-92@", b"alone@"))
    assert Suppression.objects.get().feedback == alone.feedback.get()


def test_a_complaint_suppresses_who_complained(message: Message) -> None:
    recording.read_mail(bounce("arf-abuse"))
    assert Suppression.objects.get().reason == "complained"
    assert counts.reported()["complained"] == 1


def test_a_forged_bounce_suppresses_nobody(message: Message, relay: RelaySettings) -> None:
    """With signed envelope senders, knowing a Message-ID proves nothing."""
    relay.bounce_address = "bounces@example.org"
    relay.save()
    assert recording.read_mail(bounce(to="bounces@example.org"))
    assert Feedback.objects.get().proven is False
    assert not Suppression.objects.exists()
    Feedback.objects.all().delete()
    assert recording.read_mail(bounce(to=signed(message)))
    assert Suppression.objects.exists()


def test_what_is_proven_replaces_what_somebody_forged_before(message: Message, relay: RelaySettings) -> None:
    relay.bounce_address = "bounces@example.org"
    relay.save()
    recording.read_mail(bounce(to="bounces@example.org").replace(b"5.1.1", b"5.2.2"))
    assert Feedback.objects.get().hard is False
    recording.read_mail(bounce(to=signed(message)))
    row = Feedback.objects.get()
    assert (row.hard, row.proven, row.status) == (True, True, "5.1.1")
    assert Suppression.objects.exists()
    recording.read_mail(bounce(to="bounces@example.org").replace(b"5.1.1", b"5.2.2"))
    assert Feedback.objects.get().status == "5.1.1"
    assert counts.reported() == {"bounced": 1, "complained": 0}


def test_a_complaint_is_proven_by_the_envelope_sender_that_it_names(
    message: Message, relay: RelaySettings
) -> None:
    """Complaints come to the address that the provider knows, not to the envelope sender."""
    relay.bounce_address = "bounces@example.org"
    relay.save()
    raw = bounce("arf-all-fields").replace(b"\nTo: bounces+aaaaaaaab5k3ql2zq7mxw4ot@", b"\nTo: abuse@")
    assert recording.read_mail(raw)
    assert not Suppression.objects.exists()
    own = raw.replace(b"bounces+aaaaaaaab5k3ql2zq7mxw4ot@example.org", signed(message).encode())
    assert recording.read_mail(own)
    assert Suppression.objects.get().reason == "complained"


def test_a_report_may_write_a_domain_in_its_own_letters(relay: RelaySettings) -> None:
    message = sent("anna@xn--bcher-kva.example", "bob@example.com")
    told = Outcome("anna@bücher.example", "bounced", hard=True)
    (row,) = recording.record(message, [told], source="dsn", proven=True)
    assert row.recipient == "anna@xn--bcher-kva.example"


def test_only_recipients_of_the_message_are_believed(relay: RelaySettings) -> None:
    sent("eve@example.net", "carol@example.net")
    recording.read_mail(bounce())
    assert not Feedback.objects.exists()
    assert not Suppression.objects.exists()


def test_mail_that_was_forwarded_bounces_for_the_one_it_was_sent_to(relay: RelaySettings) -> None:
    message = sent("old@example.net")
    recording.read_mail(bounce())
    assert [row.recipient for row in standing.of(message.pk)] == ["old@example.net"]


def test_a_report_about_somebody_elses_mail_is_left_alone(relay: RelaySettings) -> None:
    assert not recording.read_mail(bounce())


@pytest.mark.parametrize("name", ["vacation", "letter-about-bounces", "not-auth-failure"])
def test_other_mail_is_left_alone(message: Message, name: str) -> None:
    assert not recording.read_mail(bounce(name))


def test_a_delay_is_over_once_the_mail_is_delivered(message: Message) -> None:
    for name in ("postfix-delayed", "postfix-delivered"):
        recording.read_mail(bounce(name))
    rows = standing.of(message.pk)
    assert [row.kind for row in rows] == ["delayed", "delivered"]
    assert standing.by_recipient(rows)["anna@example.com"].kind == "delivered"
    assert standing.worst([message.pk]) == {}


def test_a_message_says_the_worst(message: Message) -> None:
    for name in ("postfix-unknown-user", "arf-abuse"):
        recording.read_mail(bounce(name))
    assert standing.worst([message.pk]) == {message.pk: "complained"}


def test_a_time_that_cannot_be_is_not_believed(message: Message) -> None:
    outcome = reading.read(bounce())
    assert outcome is not None
    tomorrow = timezone.now() + timedelta(days=1)
    (row,) = recording.record(message, outcome.outcomes, source="dsn", proven=True, at=tomorrow)
    assert row.at <= timezone.now()


def test_what_came_back_is_deleted_with_its_message(message: Message, queued: Callable[..., Message]) -> None:
    recording.read_mail(bounce())
    message.delete()
    assert not Feedback.objects.exists()
    assert Suppression.objects.get().feedback is None


@pytest.mark.parametrize("odd", ["\x00", "\x1b[31m", "\u202e"])
def test_characters_that_no_database_takes_are_left_out(message: Message, odd: str) -> None:
    raw = bounce().decode()
    for known in ("mail.example.com", "mx.example.net", "user unknown", "disk-92", "5.1.1"):
        raw = raw.replace(known, f"{known[:2]}{odd}{known[2:]}")
    raw = raw.replace("In-Reply-To", "X") + "\nMessage-ID: <disk-92@example.org>\n"
    recording.read_mail(raw.encode())
    recording.record(
        message,
        [Outcome("anna@example.com", "bounced", True, f"5{odd}", 550, f"no{odd}", f"mx{odd}")],
        source="mailgun",
        reporter=f"Mail{odd}gun",
        proven=True,
        report=f"text{odd}",
    )
    assert Feedback.objects.filter(message=message).exists()
    assert not any(odd in f"{row.status}{row.said}{row.host}{row.reporter}" for row in Feedback.objects.all())
