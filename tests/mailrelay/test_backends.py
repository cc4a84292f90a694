"""Django's own mail goes into the queue."""

from __future__ import annotations

import email
import email.policy
import logging
from collections.abc import Callable
from email.message import EmailMessage as Parsed
from email.mime.base import MIMEBase

import pytest
from django.core.mail import (
    BadHeaderError,
    EmailMessage,
    EmailMultiAlternatives,
    get_connection,
    mail_admins,
    send_mail,
)
from django.db import OperationalError
from django.utils.log import AdminEmailHandler
from pytest_django.fixtures import Settings

from mailrelay.models import Message, RelaySettings
from mailrelay.queue import outbox
from quazzar.errors import InvalidEmail, RelayNotConfigured

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _through_the_relay(settings: Settings) -> None:
    """The test runner would keep mail in memory."""
    settings.EMAIL_BACKEND = "mailrelay.backends.RelayBackend"


def written(row: Message) -> bytes:
    assert row.body is not None
    return bytes(row.body.reveal()).removeprefix(b"R")


def only() -> tuple[Message, Parsed]:
    """The one message in the queue, and what will be on the wire."""
    row = Message.objects.get()
    return row, email.message_from_bytes(written(row), policy=email.policy.default)


def test_send_mail_is_queued_with_its_envelope(relay: RelaySettings, rings: list[str]) -> None:
    assert send_mail("Disk", "92 %", "Ops <ops@example.org>", ["A <a@example.com>", "b@EXAMPLE.com"]) == 1
    row, mail = only()
    assert (row.source, row.status, row.envelope_sender) == ("django", "queued", "ops@example.org")
    assert [recipient["address"] for recipient in row.recipients] == ["a@example.com", "b@example.com"]
    assert (row.to, row.subject) == (["A <a@example.com>", "b@EXAMPLE.com"], "Disk")
    assert (mail["From"], mail["Subject"], mail.get_content().strip()) == (
        "Ops <ops@example.org>",
        "Disk",
        "92 %",
    )
    assert mail["Date"]


def test_lines_end_with_crlf(relay: RelaySettings) -> None:
    send_mail("x", "a\nb\n", None, ["a@example.com"])
    assert written(Message.objects.get()).count(b"\n") == written(Message.objects.get()).count(b"\r\n") > 5


def test_the_bell_rings_when_the_transaction_is_committed(
    relay: RelaySettings, rings: list[str], django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        send_mail("x", "y", None, ["a@example.com"])
        assert rings == []
    assert rings == ["ring"]


@pytest.mark.parametrize("sender", [None, "webmaster@localhost", "root@localhost"])
def test_default_senders_become_the_relays(relay: RelaySettings, sender: str | None) -> None:
    RelaySettings.objects.update(from_name="Núdo")
    send_mail("x", "y", sender, ["a@example.com"])
    row, mail = only()
    assert (row.envelope_sender, mail["From"]) == ("node@example.org", "Núdo <node@example.org>")


def test_a_default_sender_keeps_its_display_name(relay: RelaySettings) -> None:
    send_mail("x", "y", "Shop <webmaster@localhost>", ["a@example.com"])
    assert only()[1]["From"] == "Shop <node@example.org>"


def test_local_people_become_the_alert_recipients(relay: RelaySettings) -> None:
    RelaySettings.objects.update(alert_recipients=["ops@example.com"])
    send_mail("x", "y", None, ["root@localhost", "a@example.com"])
    row, mail = only()
    assert [recipient["address"] for recipient in row.recipients] == ["ops@example.com", "a@example.com"]
    assert mail["To"] == "root <ops@example.com>, a@example.com"


def test_without_alert_recipients_a_local_relay_may_know_local_people(relay: RelaySettings) -> None:
    send_mail("x", "y", None, ["root@localhost"])
    row, mail = only()
    assert (row.recipients[0]["address"], mail["To"]) == ("root@localhost", "root@localhost")


def test_a_from_header_of_the_caller_is_kept(relay: RelaySettings) -> None:
    EmailMessage("x", "y", to=["a@example.com"], headers={"From": "me@example.net"}).send()
    row, mail = only()
    assert (row.envelope_sender, mail["From"]) == ("node@example.org", "me@example.net")


def test_blind_recipients_are_in_the_envelope_only(relay: RelaySettings) -> None:
    EmailMessage(
        "x",
        "y",
        to=["a@example.com"],
        cc=["b@example.com"],
        bcc=["c@example.com"],
        headers={"Bcc": "c@example.com"},
    ).send()
    row, mail = only()
    assert [recipient["address"][0] for recipient in row.recipients] == ["a", "b", "c"]
    assert (mail["To"], mail["Cc"], mail["Bcc"]) == ("a@example.com", "b@example.com", None)
    assert b"c@example.com" not in written(row)


def test_a_mail_to_blind_recipients_alone_shows_nobody(relay: RelaySettings) -> None:
    EmailMessage("x", "y", bcc=["c@example.com"]).send()
    assert only()[1]["To"] == "undisclosed-recipients:;"


def test_headers_of_the_caller_are_kept(relay: RelaySettings) -> None:
    headers = {"message-ID": "<mine@example.org>", "X-Tag": "7", "Date": "Mon, 23 Nov 2026 10:00:00 +0000"}
    EmailMessage("x", "y", to=["a@example.com"], headers=headers, reply_to=["r@example.org"]).send()
    row, mail = only()
    assert row.message_id == mail["Message-ID"] == "<mine@example.org>"
    assert (mail["X-Tag"], mail["Reply-To"], mail["Date"]) == ("7", "r@example.org", headers["Date"])


def test_a_message_id_is_made_at_the_senders_domain(relay: RelaySettings) -> None:
    message = EmailMessage("x", "y", to=["a@example.com"])
    message.send()
    row, mail = only()
    assert row.message_id == mail["Message-ID"]
    assert row.message_id.endswith("@example.org>")
    assert message.extra_headers == {}


def test_text_html_attachment_and_other_alphabets(relay: RelaySettings) -> None:
    message = EmailMultiAlternatives("Prüfung 你好", "Grüße\n", to=["Jürgen <j@example.com>"])
    message.attach_alternative("<p>Grüße</p>", "text/html")
    message.attach("größe.bin", b"\x00\xff\r\n.\r\n", "application/octet-stream")
    message.send()
    row, mail = only()
    assert row.subject == mail["Subject"] == "Prüfung 你好"
    assert row.to == ["Jürgen <j@example.com>"]
    assert mail.get_body(("html",)).get_content().strip() == "<p>Grüße</p>"  # type: ignore[union-attr]
    (attachment,) = mail.iter_attachments()
    assert (attachment.get_filename(), attachment.get_content()) == ("größe.bin", b"\x00\xff\r\n.\r\n")


def test_a_header_cannot_begin_another(subtests: pytest.Subtests, relay: RelaySettings) -> None:
    for silently in [True, False]:
        for message in [
            EmailMessage("a\nBcc: evil@example.com", "y", to=["a@example.com"]),
            EmailMessage("x", "y", "a@example.org\r\nBcc: evil@example.com", to=["a@example.com"]),
            EmailMessage("x", "y", to=["a@example.com\nBcc: evil@example.com"]),
            EmailMessage("x", "y", to=["a@example.com"], headers={"X-A": "1\nBcc: evil@example.com"}),
            EmailMessage("x", "y", to=["a@example.com"], attachments=[("a\n\nevil", b"1", "image/png")]),
            EmailMessage("x", "y", to=["a@example.com"], attachments=[("a\r\nBcc: evil", b"1", "image/png")]),
        ]:
            with subtests.test(silently=silently, message=message):
                with pytest.raises(BadHeaderError):
                    get_connection(fail_silently=silently).send_messages([message])
                assert not Message.objects.exists()


def test_what_cannot_be_sent_is_refused(subtests: pytest.Subtests, relay: RelaySettings) -> None:
    for message in [
        EmailMessage("x", "y", to=["not an address"]),
        EmailMessage("x", "y", "nobody", to=["a@example.com"]),
        EmailMessage("x", "y", bcc=["a@example.com\nTo: evil@example.com"]),
        EmailMessage("nul \x00", "y", to=["a@example.com"]),
        EmailMessage("half \ud800", "y", to=["a@example.com"]),
        EmailMessage("x", "half \ud800", to=["a@example.com"]),
        EmailMessage("x", "y", bcc=[f"box{number}@example.com" for number in range(501)]),
    ]:
        with subtests.test(message=message):
            with pytest.raises((InvalidEmail, BadHeaderError)):
                message.send()
            assert not Message.objects.exists()


def test_a_bad_message_keeps_the_whole_batch_out(relay: RelaySettings) -> None:
    good, bad = EmailMessage("x", "y", to=["a@example.com"]), EmailMessage("x", "y", to=["bad"])
    with pytest.raises(InvalidEmail):
        get_connection().send_messages([good, bad])
    assert not Message.objects.exists()


def test_silently_the_good_ones_are_queued_and_counted(
    relay: RelaySettings, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = EmailMessage("x", "y", to=["a@example.com"]), EmailMessage("x", "y", to=["bad"])
    assert get_connection(fail_silently=True).send_messages([good, bad, EmailMessage("nobody"), good]) == 2
    assert Message.objects.count() == 2
    assert "'bad' is not a mail address" in caplog.text


def test_a_message_to_nobody_is_not_queued(relay: RelaySettings) -> None:
    assert EmailMessage("x", "y").send() == 0
    assert get_connection().send_messages([EmailMessage("x", "y")]) == 0
    assert not Message.objects.exists()


def test_without_a_relay_it_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RelayNotConfigured):
        send_mail("x", "y", None, ["a@example.com"])
    assert send_mail("x", "y", None, ["a@example.com"], fail_silently=True) == 0
    assert "No relay is configured" in caplog.text


def test_a_database_that_fails_is_no_crash_when_silent(
    relay: RelaySettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(outbox, "enqueue_raw", locked)
    with pytest.raises(OperationalError):
        send_mail("x", "y", None, ["a@example.com"])
    assert send_mail("x", "y", None, ["a@example.com"], fail_silently=True) == 0
    assert "database is locked" in caplog.text


def test_mail_to_the_admins_arrives(relay: RelaySettings, settings: Settings) -> None:
    settings.ADMINS = [("Ops", "ops@example.com")]
    mail_admins("Broken", "look", html_message="<b>look</b>")
    row, mail = only()
    assert (row.subject, row.envelope_sender) == ("[Django] Broken", "node@example.org")
    assert mail["To"] == "ops@example.com"


def test_a_logged_error_is_mailed_to_the_admins(relay: RelaySettings, settings: Settings) -> None:
    settings.ADMINS = [("Ops", "ops@example.com")]
    record = logging.LogRecord("django.request", logging.ERROR, __file__, 1, "first\nsecond", None, None)
    AdminEmailHandler(include_html=True).emit(record)
    assert only()[0].subject == "[Django] ERROR: first\\nsecond"


def test_a_logged_error_without_a_relay_does_not_raise(settings: Settings) -> None:
    settings.ADMINS = [("Ops", "ops@example.com")]
    AdminEmailHandler().emit(logging.LogRecord("django", logging.ERROR, __file__, 1, "x", None, None))
    assert not Message.objects.exists()


def test_a_mail_that_the_caller_built_is_attached(relay: RelaySettings) -> None:
    part = MIMEBase("application", "pdf")
    part.set_payload("JVBERg==")
    part["Content-Transfer-Encoding"] = "base64"
    EmailMessage("x", "", to=["a@example.com"], attachments=[part]).send()
    (attachment,) = only()[1].iter_attachments()
    assert attachment.get_content() == b"%PDF"


def test_queueing_looks_up_no_name(relay: RelaySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow() -> str:
        raise AssertionError("a DNS lookup")

    monkeypatch.setattr("django.core.mail.utils.CachedDnsName.get_fqdn", lambda self: slow())
    assert send_mail("x", "y", None, ["a@example.com"]) == 1


def test_the_same_message_object_can_be_sent_twice(relay: RelaySettings) -> None:
    message = EmailMessage("x", "y", to=["a@example.com"])
    assert (message.send(), message.send()) == (1, 1)
    assert len(set(Message.objects.values_list("message_id", flat=True))) == 2


def test_a_long_message_id_fits_the_column(relay: RelaySettings) -> None:
    headers = {"Message-ID": f"<{'x' * 400}@example.org>"}
    EmailMessage("x", "y", to=["a@example.com"], headers=headers).send()
    assert len(only()[0].message_id) == 255


def test_encoded_words_stand_only_where_they_may(relay: RelaySettings) -> None:
    EmailMessage(
        "Größe",
        "x",
        "Jörg <jörg@example.com>",
        ["käthe@example.com"],
        headers={
            "List-Unsubscribe": "<https://example.com/ä?q=?x?=>",
            "References": "<ä@example.com>",
            "Errors-To": "Ö <o@example.com>",
            "X-Note": "ü",
        },
    ).send()
    (row,) = Message.objects.all()
    head = written(row).partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert "List-Unsubscribe: <https://example.com/%C3%A4?q=?x?=>" in head
    assert "References: <%C3%A4@example.com>" in head
    assert "Errors-To: =?utf-8?b?w5Y=?= <o@example.com>" in head
    assert "X-Note: =?utf-8?b?w7w=?=" in head
    assert "To: käthe@example.com" in head
    assert "From: =?utf-8?b?SsO2cmc=?= <jörg@example.com>" in head


def test_a_field_that_fits_in_no_line_is_refused(relay: RelaySettings) -> None:
    with pytest.raises(InvalidEmail, match="List-Unsubscribe fits in no line") as caught:
        EmailMessage("x", "x", to=["a@example.com"], headers={"List-Unsubscribe": f"<{'x' * 1500}>"}).send()
    assert caught.value.field == "headers"
