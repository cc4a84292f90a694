"""The queue in the console: found, followed, retried and deleted, without a body and without an N+1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from mailrelay.models import Message
from quazzar.models import AuditEntry

LIST = "/admin/mailrelay/message/"
REFUSAL = {"stage": "recipient", "code": 550, "message": "550 5.1.1 <unknown>"}


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def failed(queued: Callable[..., Message]) -> Message:
    """A dead letter: one recipient was refused, the other has it."""
    message = queued("nobody@example.net", "accounts@example.net", subject="Invoice <42>")
    message.recipients = [
        {"address": "nobody@example.net", "status": "failed", "code": 550, "message": "5.1.1 <unknown>"},
        {"address": "accounts@example.net", "status": "sent", "code": 250, "message": "queued as 9A"},
    ]
    message.status, message.last_error, message.next_attempt_at = Message.Status.FAILED, REFUSAL, None
    message.save()
    return message


def html(answer: Any) -> str:
    return str(answer.content.decode())


def shown(console: Client, query: str = "") -> str:
    return html(console.get(f"{LIST}?{query}"))


def act(console: Client, action: str, *messages: Message, **more: str) -> Any:
    chosen = {"action": action, "_selected_action": [message.pk for message in messages], **more}
    return console.post(LIST, chosen, follow=True)


def test_the_list_says_status_error_and_recipient_in_words(console: Client, failed: Message) -> None:
    page = shown(console)
    for words in (
        "Failed",
        "Invoice &lt;42&gt;",
        "to nobody@example.net +1",
        "recipient: 550 5.1.1 &lt;unknown&gt;",
    ):
        assert words in page


def test_the_detail_shows_each_recipient_and_the_last_error(console: Client, failed: Message) -> None:
    page = html(console.get(f"{LIST}{failed.pk}/change/"))
    for words in (
        "Refused",
        "5.1.1 &lt;unknown&gt;",
        "queued as 9A",
        "failed at the recipient",
        "(code 550)",
    ):
        assert words in page


def test_no_page_shows_a_body(console: Client, failed: Message) -> None:
    for page in (shown(console), html(console.get(f"{LIST}{failed.pk}/change/"))):
        assert "92 %" not in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status__exact=failed", True),
        ("status__exact=queued", False),
        ("source__exact=api", True),
        ("source__exact=alert", False),
        ("error=yes", True),
        ("error=no", False),
        ("waiting=yes", False),
        ("q=invoice", True),
        ("q=accounts@example.net", True),
        ("q=nothing", False),
    ],
)
def test_filters_and_search_find_what_they_should(
    console: Client, failed: Message, query: str, found: bool
) -> None:
    assert ("Invoice &lt;42&gt;" in shown(console, query)) is found


def test_the_number_of_queries_does_not_grow(
    console: Client, queued: Callable[..., Message], django_assert_max_num_queries: Any
) -> None:
    for _ in range(15):
        queued()
    with django_assert_max_num_queries(7) as taken:
        shown(console)
    assert not any('"body"' in query["sql"] for query in taken.captured_queries)


# --- retry and delete


def test_retry_puts_messages_at_the_head_of_the_queue(console: Client, failed: Message) -> None:
    page = html(act(console, "retry_selected", failed))
    assert "One message was put at the head of the queue." in page
    failed.refresh_from_db()
    assert (failed.status, failed.recipients[0]["status"]) == ("queued", "pending")
    assert AuditEntry.objects.get(action="message.retried").target == failed.message_id


def test_one_message_can_be_retried_from_its_page(console: Client, failed: Message) -> None:
    answer = console.post(f"{LIST}{failed.pk}/retry/")
    assert answer["Location"] == f"{LIST}{failed.pk}/change/"
    failed.refresh_from_db()
    assert failed.status == "queued"


def test_a_sent_message_is_left_alone(console: Client, failed: Message) -> None:
    Message.objects.update(status="sent")
    assert "skipped" in html(act(console, "retry_selected", failed))
    failed.refresh_from_db()
    assert failed.status == "sent"


def test_reading_never_retries(console: Client, failed: Message) -> None:
    assert console.get(f"{LIST}{failed.pk}/retry/").status_code == 405
    failed.refresh_from_db()
    assert failed.status == "failed"


def test_delete_asks_first_and_is_in_the_audit_log(console: Client, failed: Message) -> None:
    act(console, "delete_selected", failed)
    assert Message.objects.exists()
    act(console, "delete_selected", failed, post="yes")
    assert not Message.objects.exists()
    assert AuditEntry.objects.get(action="message.deleted").target == failed.message_id


def test_nothing_can_be_added_or_edited(console: Client, failed: Message) -> None:
    assert console.get(f"{LIST}add/").status_code == 403
    assert console.post(f"{LIST}{failed.pk}/change/", {"subject": "x"}).status_code == 403


def test_who_may_only_look_can_neither_retry_nor_delete(
    client: Client, other_staff: User, failed: Message
) -> None:
    other_staff.user_permissions.add(Permission.objects.get(codename="view_message"))
    client.force_login(other_staff)
    page = html(client.get(f"{LIST}{failed.pk}/change/"))
    assert "Retry now" not in page
    assert "Delete message" not in page
    assert client.post(f"{LIST}{failed.pk}/retry/").status_code == 403
    act(client, "retry_selected", failed)
    failed.refresh_from_db()
    assert failed.status == "failed"


def test_staff_without_the_permission_see_no_queue(
    client: Client, other_staff: User, failed: Message
) -> None:
    client.force_login(other_staff)
    assert client.get(LIST).status_code == 403
