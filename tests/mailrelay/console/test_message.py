"""The page of one message: what it shows, retry, cancel, send again, delete, and who may."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from mailrelay import history
from mailrelay.mail import payload
from mailrelay.mail.emails import Attachment, Email
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import outbox
from quazzar.models import AuditEntry
from tests.mailrelay.console.test_messages import LIST, console, failed, sees
from tests.markup import html

__all__ = ["console", "failed"]
AT = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def page(client: Client, message: Message) -> str:
    return html(client.get(f"{LIST}{message.pk}/change/"))


def test_the_page_shows_each_recipient_with_the_servers_words(console: Client, failed: Message) -> None:
    shown = page(console, failed)
    for words in ("Refused", "550 5.1.1 &lt;unknown&gt;", "250 queued as 9A", "the recipient"):
        assert words in shown
    assert "92 %" not in shown


def test_the_timeline_has_attempts_and_the_hint_of_the_test_card(console: Client, failed: Message) -> None:
    failed.history = [
        history.attempt(
            1, AT, stage="auth", code=535, message="The server answered 535 5.7.8 Bad credentials",
            kind="auth_rejected", host="smtp.test:587", seconds=0.25,
        )
    ]  # fmt: skip
    failed.submitted_by = "key:prometheus (ada)"
    failed.save()
    shown = page(console, failed)
    for words in (
        "Attempt 1 failed at sign-in",
        "The server did not accept the username and password: 535 5.7.8 Bad credentials",
        "What to do",
        "smtp.test:587, 250 ms",
        "from the API key “prometheus” of ada",
    ):
        assert words in shown


def test_the_button_that_stands_out_is_the_one_that_helps(console: Client, failed: Message) -> None:
    """Where the address itself was refused for good, another one is needed."""
    no = {"message": "No", "code": None}
    retry, again = 'q-button q-button-primary m-small" type="submit"', 'q-button-primary m-small" id="again"'
    Message.objects.filter(pk=failed.pk).update(last_error={"stage": "auth", **no})
    assert retry in page(console, failed) and again not in page(console, failed)
    Message.objects.filter(pk=failed.pk).update(last_error={"stage": "recipient", **no})
    assert again in page(console, failed) and retry not in page(console, failed)


def test_what_moves_is_fetched_again(console: Client, queued: Callable[..., Message]) -> None:
    message = queued()
    assert 'x-message" data-moves' in page(console, message)
    part = html(console.get(f"{LIST}{message.pk}/live/", headers={"HX-Request": "true"}))
    assert "<html" not in part and "Waiting to be sent" in part
    Message.objects.update(status="sent")
    assert 'x-message" data-moves' not in page(console, message)


def test_a_message_that_is_gone_is_404(console: Client) -> None:
    for part in ("change", "live", "delete", "again", "content", "html", "source", "files/0"):
        assert console.get(f"{LIST}99/{part}/").status_code == 404


# --- what can be done


def test_a_message_is_retried_and_cancelled_from_its_page(console: Client, failed: Message) -> None:
    answer = console.post(f"{LIST}{failed.pk}/retry/")
    assert answer["Location"] == f"{LIST}{failed.pk}/change/"
    failed.refresh_from_db()
    assert failed.status == "queued"
    console.post(f"{LIST}{failed.pk}/cancel/")
    failed.refresh_from_db()
    assert failed.status == "failed"
    shown = page(console, failed)
    assert "Retried by operator" in shown and "Cancelled by operator" in shown


def test_reading_an_address_changes_nothing(console: Client, failed: Message) -> None:
    for part in ("retry", "cancel"):
        assert console.get(f"{LIST}{failed.pk}/{part}/")["Location"] == LIST
    console.get(f"{LIST}{failed.pk}/delete/")
    console.get(f"{LIST}{failed.pk}/again/")
    failed.refresh_from_db()
    assert failed.status == "failed"
    assert Message.objects.count() == 1


def test_deleting_asks_first(console: Client, failed: Message) -> None:
    assert "Delete this message?" in html(console.get(f"{LIST}{failed.pk}/delete/"))
    assert console.post(f"{LIST}{failed.pk}/delete/")["Location"] == LIST
    assert not Message.objects.exists()
    assert AuditEntry.objects.get(action="message.deleted").target == failed.message_id


def test_a_copy_goes_to_others_and_both_say_so(console: Client, failed: Message) -> None:
    assert "nobody@example.net" in html(console.get(f"{LIST}{failed.pk}/again/"))
    answer = console.post(f"{LIST}{failed.pk}/again/", {"to": "eve@example.org\nada@example.org"})
    copy = Message.objects.exclude(pk=failed.pk).get()
    assert answer["Location"] == f"{LIST}{copy.pk}/change/"
    assert [one["address"] for one in copy.recipients] == ["eve@example.org", "ada@example.org"]
    assert copy.message_id != failed.message_id
    assert "Sent again by operator" in page(console, copy)
    assert "Sent again to others by operator" in page(console, failed)
    assert AuditEntry.objects.get(action="message.sent_again").target == failed.message_id


def test_a_copy_for_no_address_is_refused(console: Client, failed: Message) -> None:
    for typed in ("", "nonsense", "a@b@c"):
        answer = html(console.post(f"{LIST}{failed.pk}/again/", {"to": typed}))
        assert "q-errors" in answer
    Message.objects.update(body=None)
    assert "no longer stored" in html(console.post(f"{LIST}{failed.pk}/again/", {"to": "a@example.org"}))
    assert Message.objects.count() == 1


# --- the content


@pytest.fixture
def mail(relay: RelaySettings) -> Message:
    """A mail with HTML, text and a file."""
    file = Attachment(filename="ümlaut “x”.txt", content=b"of the file", content_type="text/html")
    email = Email(
        to=["ops@example.com"], subject="Grüße", text="the text", html="<p>the html<script>evil()</script></p>",
        headers={"X-Node": "nas"}, attachments=[file],
    )  # fmt: skip
    return outbox.enqueue(email, source="api")


def content(client: Client, message: Message, part: str = "content") -> Any:
    return client.get(f"{LIST}{message.pk}/{part}/")


def test_the_content_is_shown_when_it_is_asked_for(console: Client, mail: Message) -> None:
    assert "the text" not in page(console, mail)
    shown = html(content(console, mail))
    for words in ("the text", "X-Node", "Grüße", "ümlaut “x”.txt", "11 B", f"{LIST}{mail.pk}/html/"):
        assert words in shown


def test_reading_is_in_the_audit_log_once(console: Client, mail: Message) -> None:
    for part in ("content", "html", "source", "files/0", "content"):
        assert content(console, mail, part).status_code == 200
    (entry,) = AuditEntry.objects.filter(action="message.read")
    assert (entry.target, entry.actor) == (mail.message_id, "user:operator")


def test_html_is_cleaned_and_stands_in_a_sandbox_without_anything_from_elsewhere(
    console: Client, mail: Message
) -> None:
    answer = content(console, mail, "html")
    policy = answer["Content-Security-Policy"]
    assert "the html" in html(answer) and "evil" not in html(answer)
    assert (
        policy.startswith("sandbox ") and "allow-scripts" not in policy and "allow-same-origin" not in policy
    )
    assert "default-src 'none'" in policy and "img-src data:;" in policy
    assert answer["X-Frame-Options"] == "SAMEORIGIN"
    remote = console.get(f"{LIST}{mail.pk}/html/?remote=1")["Content-Security-Policy"]
    assert "img-src data: https: http:;" in remote and "allow-scripts" not in remote


def test_files_and_source_are_downloads_that_a_browser_opens_as_nothing(
    console: Client, mail: Message
) -> None:
    source = content(console, mail, "source")
    assert source["Content-Disposition"].startswith(f'attachment; filename="message-{mail.pk}.eml"')
    assert b"Subject: =?utf-8?" in source.content and mail.message_id.encode() in source.content
    file = content(console, mail, "files/0")
    assert file.content == b"of the file"
    assert file["Content-Type"] == "application/octet-stream"
    assert (
        "attachment; filename=\"_mlaut _x_.txt\"; filename*=UTF-8''%C3%BCmlaut" in file["Content-Disposition"]
    )
    assert content(console, mail, "files/1").status_code == 404


def test_a_removed_body_is_said_and_not_a_fault(console: Client, mail: Message) -> None:
    Message.objects.update(body=None)
    assert "QUAZZAR_BODY_RETENTION_DAYS" in page(console, mail)
    assert "no longer stored" in html(content(console, mail))
    for part in ("html", "source", "files/0"):
        assert content(console, mail, part).status_code == 404


def test_a_mail_of_sendmail_is_shown_as_it_was_handed_in(console: Client, relay: RelaySettings) -> None:
    raw = b"Subject: cron\nX-Odd: \xe4\n\nnews \xe4\n"
    row = Message.objects.create(message_id="<1@x>", body=payload.from_raw(raw), recipients=[])
    shown = html(content(console, row))
    assert "news ä" in shown and "X-Odd" in shown
    assert content(console, row, "source").content == raw


# --- who may


@pytest.mark.slow
def test_reading_and_sending_again_need_rights_of_their_own(
    client: Client, other_staff: User, mail: Message
) -> None:
    sees(other_staff, "view_message", "add_message", "change_message")
    client.force_login(other_staff)
    shown = page(client, mail)
    assert "Retry now" in shown and "Cancel" in shown
    assert "Show content" not in shown and "Send again" not in shown and "Delete" not in shown
    for part in ("content", "html", "source", "files/0", "again"):
        assert content(client, mail, part).status_code == 403
    assert client.post(f"{LIST}{mail.pk}/again/", {"to": "me@example.org"}).status_code == 403
    assert client.post(f"{LIST}{mail.pk}/delete/").status_code == 403
    sees(other_staff, "read_message")
    client.force_login(User.objects.get(pk=other_staff.pk))
    shown = page(client, mail)
    assert "Show content" in shown and "Send again to…" in shown
    assert content(client, mail).status_code == 200


def test_who_may_read_and_not_send_cannot_send_again(
    client: Client, other_staff: User, mail: Message
) -> None:
    sees(other_staff, "view_message", "read_message")
    client.force_login(other_staff)
    assert content(client, mail).status_code == 200
    assert client.post(f"{LIST}{mail.pk}/again/", {"to": "me@example.org"}).status_code == 403
    assert Message.objects.count() == 1


@pytest.mark.django_db
def test_the_right_to_read_is_a_permission_of_its_own() -> None:
    assert Permission.objects.filter(codename="read_message", content_type__app_label="mailrelay").exists()
