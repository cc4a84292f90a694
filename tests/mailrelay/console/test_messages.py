"""The list of messages in the console: tabs, search, pages, many at once, and who may do what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from mailrelay.models import Message
from mailrelay.queue import finding
from quazzar.models import AuditEntry
from tests.markup import html

LIST = "/admin/mailrelay/message/"
REFUSAL = {"stage": "recipient", "code": 550, "message": "nobody@example.net: 550 5.1.1 <unknown>"}


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


def shown(console: Client, query: str = "", **headers: str) -> str:
    return html(console.get(f"{LIST}?{query}", headers=headers))


def act(console: Client, action: str, *messages: Message) -> Any:
    ids = ",".join(str(message.pk) for message in messages)
    return console.post(f"{LIST}selected/{action}/", {"ids": ids}, follow=True)


def sees(user: User, *permissions: str) -> None:
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))


# --- the list


@pytest.mark.slow
def test_the_list_says_status_error_and_recipient_in_words(console: Client, failed: Message) -> None:
    page = shown(console)
    for words in (
        "Failed",
        "Invoice &lt;42&gt;",
        "to nobody@example.net and 1 other",
        "550 5.1.1 &lt;unknown&gt;",
        '<b class="x-count x-count-failed">1</b>',
    ):
        assert words in page
    assert "92 %" not in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", True),
        ("tab=failed", True),
        ("tab=waiting", False),
        ("tab=sent", False),
        ("tab=alerts", False),
        ("tab=nonsense", True),
        ("status__exact=failed", True),
        ("status__exact=retrying", False),
        ("waiting=yes", False),
        ("source__exact=alert", False),
        ("q=invoice", True),
        ("q=accounts@example.net", True),
        ("q=Accounts@Example.net&tab=failed", True),
        ("q=accounts@example.net&tab=sent", False),
        ("q=nothing", False),
        ("before=1", False),
        ("before=abc&after=-1", True),
    ],
)
def test_tabs_search_and_former_links_find_what_they_should(
    console: Client, failed: Message, query: str, found: bool
) -> None:
    assert ("Invoice &lt;42&gt;" in shown(console, query)) is found


def test_an_empty_tab_says_what_would_be_there(console: Client) -> None:
    assert "The queue is empty." in shown(console, "tab=waiting")
    assert "Nothing has failed." in shown(console, "tab=failed")
    assert "No message here matches “&lt;x&gt;”" in shown(console, "q=<x>")


def test_pages_go_back_and_forth(
    console: Client, queued: Callable[..., Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "PAGE", 2)
    rows = [queued(subject=f"Number {number}.") for number in range(5)]
    page = shown(console)
    assert [f"Number {number}." in page for number in range(5)] == [False, False, False, True, True]
    assert f"?tab=all&amp;before={rows[3].pk}" in page
    page = shown(console, f"tab=all&before={rows[3].pk}")
    assert [f"Number {number}." in page for number in range(5)] == [False, True, True, False, False]
    assert f"?tab=all&amp;after={rows[2].pk}" in page
    page = shown(console, f"tab=all&after={rows[2].pk}")
    assert [f"Number {number}." in page for number in range(5)] == [False, False, False, True, True]


def test_the_list_fetches_itself_and_gets_nothing_while_nothing_changes(
    console: Client, queued: Callable[..., Message]
) -> None:
    queued()
    # An age in seconds would be another one by the second request.
    Message.objects.update(created_at=timezone.now() - timedelta(hours=2))
    part = shown(console, **{"HX-Request": "true", "HX-Target": "list"})
    assert "<html" not in part
    seen = part.partition('name="seen" value="')[2].partition('"')[0]
    again = console.get(f"{LIST}?seen={seen}", headers={"HX-Request": "true", "HX-Target": "list"})
    assert again.status_code == 204


def test_a_search_by_words_goes_on_where_it_stopped(
    console: Client, queued: Callable[..., Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "WINDOW", 2)
    monkeypatch.setattr(finding, "SECONDS", -1)
    rows = [queued(subject=f"Number {number}.") for number in range(5)]
    page = shown(console, "q=number")
    assert "Number 4." in page and "Number 2." not in page
    assert "Searched back to" in page
    older = f"tab=all&q=number&before={rows[3].pk}&found=2"
    assert older.replace("&", "&amp;") in page
    rest = shown(console, older, **{"HX-Request": "true", "HX-Target": "older"})
    assert "<table" not in rest
    assert "Number 2." in rest and "Number 4." not in rest


def test_the_number_of_queries_does_not_grow(
    console: Client, queued: Callable[..., Message], django_assert_max_num_queries: Any
) -> None:
    for _ in range(15):
        queued()
    with django_assert_max_num_queries(10) as taken:
        shown(console)
    assert not any('"body"' in query["sql"] or "OFFSET" in query["sql"] for query in taken.captured_queries)


# --- many at once


def test_a_confirmation_names_the_messages_before_anything_happens(console: Client, failed: Message) -> None:
    page = html(console.get(f"{LIST}selected/delete/", {"pk": failed.pk}, headers={"HX-Request": "true"}))
    assert "Delete: 1 message" in page
    assert "Invoice &lt;42&gt;" in page
    assert Message.objects.exists()
    assert "Nothing is selected" in html(console.get(f"{LIST}selected/delete/"))


def test_all_of_a_tab_can_be_chosen(console: Client, failed: Message, queued: Callable[..., Message]) -> None:
    other = queued(subject="Not failed")
    page = html(console.get(f"{LIST}selected/retry/", {"all": "on", "tab": "failed"}))
    assert f'name="ids" value="{failed.pk}"' in page
    assert str(other) not in page


def test_retry_makes_messages_due_and_is_in_the_audit_log(console: Client, failed: Message) -> None:
    assert "1 message retried now." in html(act(console, "retry", failed))
    failed.refresh_from_db()
    assert (failed.status, failed.recipients[0]["status"]) == ("queued", "pending")
    assert AuditEntry.objects.get(action="message.retried").target == failed.message_id


def test_cancel_stops_what_waits_and_leaves_the_rest(
    console: Client, failed: Message, queued: Callable[..., Message]
) -> None:
    waiting = queued()
    assert "1 message cancelled. 1 message skipped" in html(act(console, "cancel", waiting, failed))
    waiting.refresh_from_db()
    assert (waiting.status, waiting.next_attempt_at) == ("failed", None)
    assert "Cancelled" in shown(console)
    assert AuditEntry.objects.get(action="message.cancelled").target == waiting.message_id


def test_a_sent_message_is_not_retried(console: Client, failed: Message) -> None:
    Message.objects.update(status="sent")
    page = html(act(console, "retry", failed))
    assert "1 message skipped" in page and "q-note q-wait" in page and "q-note q-ok" not in page
    failed.refresh_from_db()
    assert failed.status == "sent"


def test_delete_is_in_the_audit_log(console: Client, failed: Message) -> None:
    act(console, "delete", failed)
    assert not Message.objects.exists()
    assert AuditEntry.objects.get(action="message.deleted").target == failed.message_id


# --- who may


def test_each_action_is_for_those_with_its_right(client: Client, other_staff: User, failed: Message) -> None:
    sees(other_staff, "view_message")
    client.force_login(other_staff)
    page = shown(client)
    assert "Invoice &lt;42&gt;" in page
    assert 'name="pk"' not in page
    for action in ("retry", "cancel", "delete"):
        assert act(client, action, failed).status_code == 403
    sees(other_staff, "change_message")
    client.force_login(User.objects.get(pk=other_staff.pk))
    page = shown(client)
    assert "bulk-retry" in page and "bulk-cancel" in page and "bulk-delete" not in page
    assert act(client, "retry", failed).status_code == 200
    assert act(client, "delete", failed).status_code == 403


def test_staff_without_the_permission_see_no_messages(
    client: Client, other_staff: User, failed: Message
) -> None:
    client.force_login(other_staff)
    assert client.get(LIST).status_code == 403
