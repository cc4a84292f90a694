"""Mail from every sender reaches the relay in legal form, and reads as it was written."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from email.message import EmailMessage

import pytest
from django.core.mail import EmailMultiAlternatives, get_connection
from django.utils import timezone

from mailrelay.legal.conversion import Legal, Offer
from mailrelay.mail.emails import Attachment, Email
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import delivery
from mailrelay.sender import Sender
from mailrelay.sendmail import program
from quazzar.errors import DeliveryError
from tests.mailrelay.legal.judge import assert_legal
from tests.mailrelay.legal.mails import MAILS
from tests.rig.faults import FaultServer

pytestmark = pytest.mark.django_db
TEXT = "Grüße " + "x" * 1500 + "\n.\n10 %\r20 %\n"
FILE = bytes(range(256))
EXTENSIONS = [("PIPELINING", "8BITMIME", "SMTPUTF8"), ("8BITMIME",), ()]


@pytest.fixture(autouse=True)
def fresh_connections() -> Iterator[None]:
    delivery._stopping.clear()
    yield
    delivery.close_idle_connections(0)


@pytest.fixture
def server(relay: RelaySettings) -> Iterator[FaultServer]:
    """The saved relay."""
    with FaultServer() as server:
        relay.host, relay.port = "127.0.0.1", server.port
        relay.alert_recipients = ["ops@example.com"]
        relay.save()
        yield server


def by_sender() -> None:
    Sender().queue(
        Email(
            to=["Jörg <a@inbox.test>"],
            subject="Größe",
            text=TEXT,
            headers={"X-Ort": "Zürich"},
            attachments=[Attachment(filename="größe.bin", content=FILE)],
        )
    )


def by_django() -> None:
    mail = EmailMultiAlternatives(
        "Größe",
        TEXT,
        "Node <node@example.org>",
        ["Jörg <a@inbox.test>"],
        headers={"X-Ort": "Zürich"},
        attachments=[("größe.bin", FILE, "application/octet-stream")],
        connection=get_connection("mailrelay.backends.RelayBackend"),
    )
    mail.send()


def by_sendmail() -> None:
    data = (
        "From: root\nTo: Jörg <a@inbox.test>\nSubject: Größe\nX-Ort: Zürich\n"
        'Content-Type: multipart/mixed; boundary="B"\n\n--B\n\n'.encode()
        + TEXT.encode()
        + '\n--B\nContent-Type: application/octet-stream; name="größe.bin"\n'.encode()
        + b'Content-Transfer-Encoding: binary\nContent-Disposition: attachment; filename="gr\xf6\xdfe.bin"\n\n'
        + FILE
        + b"\n--B--\n"
    )
    assert program.run(["-t", "-i"], io.BytesIO(data), io.StringIO()) == 0


def sent(server: FaultServer) -> EmailMessage:
    """The latest mail, which is legal for what the server offers."""
    envelope = server.envelopes[-1]
    said = envelope.parameters.upper().split()
    offered = server.script.extensions
    assert_legal(
        Legal(envelope.content, "BODY=8BITMIME" in said, "SMTPUTF8" in said),
        Offer("8BITMIME" in offered, "SMTPUTF8" in offered),
    )
    return envelope.message


@pytest.mark.parametrize("write", [by_sender, by_django, by_sendmail])
@pytest.mark.parametrize("extensions", EXTENSIONS, ids=lambda offered: "+".join(offered) or "nothing")
def test_a_mail_leaves_as_the_relay_takes_it(
    server: FaultServer, write: Callable[[], None], extensions: tuple[str, ...]
) -> None:
    server.script.extensions = extensions
    write()
    assert delivery.drain() == 1
    message = sent(server)
    assert (message["Subject"], message["X-Ort"]) == ("Größe", "Zürich")
    assert [person.display_name for person in message["To"].addresses] == ["Jörg"]
    text, file = (part for part in message.walk() if not part.is_multipart())
    said = text.get_payload(decode=True)
    assert isinstance(said, bytes)
    assert said.decode().splitlines()[:2] == ["Grüße " + "x" * 1500, "."]
    assert (file.get_payload(decode=True), file.get_filename()) == (FILE, "größe.bin")


@pytest.mark.slow
def test_every_careless_mail_of_sendmail_is_legal_at_a_relay_that_offers_nothing(
    server: FaultServer, subtests: pytest.Subtests
) -> None:
    server.script.extensions = ()
    for name, data in MAILS.items():
        with subtests.test(name):
            assert program.run(["-t", "-i"], io.BytesIO(data), io.StringIO()) == 0
            assert delivery.drain() == 1
            sent(server)


def test_the_next_attempt_is_right_for_what_the_relay_offers_then(server: FaultServer) -> None:
    by_sendmail()
    server.script.extensions = ("8BITMIME",)
    server.script.commands["."] = ["451 4.3.0 Try later"]
    assert delivery.drain() == 0
    sent(server)
    delivery.close_idle_connections(0)
    server.script.extensions = ()
    Message.objects.update(next_attempt_at=timezone.now())
    assert delivery.drain() == 1
    sent(server)


def test_what_cannot_be_made_legal_fails_before_it_is_sent(server: FaultServer) -> None:
    server.script.extensions = ("8BITMIME",)
    data = "To: jörg@inbox.test\nSubject: x\n\nx\n".encode()
    assert program.run(["-i", "a@inbox.test"], io.BytesIO(data), io.StringIO()) == 0
    assert delivery.drain() == 0
    row = Message.objects.get()
    assert row.status == "failed"
    assert row.last_error is not None
    assert "before the @" in row.last_error["message"]
    assert server.envelopes == []


def test_a_mail_that_grows_beyond_the_limit_is_not_sent(server: FaultServer) -> None:
    server.script.extensions, server.script.size_limit = (), 100_000
    email = Email(to=["a@inbox.test"], subject="x", text="x")
    assert Sender().send(email)
    data = b"To: a@inbox.test\n\n" + "Größe\n".encode() * 10_000
    assert program.run(["-i", "-t"], io.BytesIO(data), io.StringIO()) == 0
    assert delivery.drain() == 0
    row = Message.objects.get()
    assert row.last_error is not None
    assert "the server accepts at most 97.7 KiB" in row.last_error["message"]
    assert len(server.envelopes) == 1


def test_a_mail_sent_at_once_is_legal_too(server: FaultServer) -> None:
    server.script.extensions = ()
    Sender().send(Email(to=["Jörg <a@inbox.test>"], subject="Größe", text=TEXT))
    assert sent(server)["Subject"] == "Größe"
    with pytest.raises(DeliveryError, match="before the @"):
        Sender().send(Email(to=["jörg@inbox.test"], subject="x", text="x"))
