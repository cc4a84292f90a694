"""Bulk actions of the tab's lists: what is asked, what is changed, and who may."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from mailboxes.models import Alias, Domain, Mailbox, Stack
from quazzar.models import AuditEntry
from tests.mailboxes import factories
from tests.mailboxes.consolepages import HTMX, LIST, TAB, grant, html, running, told

NOW = timezone.now()
ACTIONS = (
    "list/selected/enable/",
    "list/selected/disable/",
    "list/selected/delete/",
    "deleted/selected/restore/",
    "aliases/selected/enable/",
    "aliases/selected/disable/",
    "aliases/selected/delete/",
    "domains/selected/delete/",
)


@pytest.fixture
def console(client: Client, operator: User, rung: list[str]) -> Client:
    running()
    client.force_login(operator)
    return client


def ask(console: Client, path: str, *rows: Any, **more: str) -> str:
    """The confirmation for these rows."""
    return html(console.get(f"{TAB}{path}", {"pk": [row.pk for row in rows], **more}, headers=HTMX))


def act(console: Client, path: str, *rows: Any) -> Any:
    """The answer once it was confirmed."""
    return console.post(f"{TAB}{path}", {"ids": ",".join(str(row.pk) for row in rows)}, headers=HTMX)


def ids(page: str) -> list[int]:
    """What the confirmation would send."""
    matched = re.search(r'name="ids" value="([^"]*)"', page)
    return [int(text) for text in matched[1].split(",")] if matched else []


# --- asking


def test_the_confirmation_says_how_many_and_which_and_changes_nothing(console: Client) -> None:
    rows = [factories.mailbox(f"m{number}@example.com") for number in range(3)]
    page = ask(console, "list/selected/disable/", rows[0], rows[2])
    assert "Disable 2 mailboxes?" in page
    assert "m0@example.com" in page and "m2@example.com" in page
    assert "m1@example.com" not in page
    assert ids(page) == [rows[0].pk, rows[2].pk]
    assert Mailbox.objects.filter(enabled=True).count() == 3


def test_all_that_match_the_search_are_more_than_the_page_shows(console: Client) -> None:
    for number in range(40):
        factories.mailbox(f"a{number:02d}@example.com")
    factories.mailbox("ben@example.com")
    page = ask(console, "list/selected/delete/", all="on", q="a", domain="", state="")
    assert "Delete 41 mailboxes?" in page  # "a" is in example.com too
    page = ask(console, "list/selected/delete/", all="on", q="ben")
    assert "Delete 1 mailbox?" in page


def test_a_very_long_selection_is_named_in_part_and_sent_whole(console: Client) -> None:
    for number in range(130):
        factories.mailbox(f"a{number:03d}@example.com")
    page = ask(console, "list/selected/disable/", all="on")
    assert "and 30 more" in page
    assert len(ids(page)) == 130


def test_without_a_selection_it_says_what_to_do(console: Client) -> None:
    assert "Select at least one row" in ask(console, "list/selected/disable/")


def test_a_deleted_row_or_one_that_is_not_there_cannot_be_selected(console: Client) -> None:
    gone = factories.mailbox(deleted_at=NOW)
    assert "Nothing is selected" in ask(console, "list/selected/enable/", gone, pk="99999999999999999999")


def test_without_scripts_the_confirmation_is_a_page_and_the_answer_leads_back(console: Client) -> None:
    row = factories.mailbox()
    page = html(console.get(f"{TAB}list/selected/disable/", {"pk": row.pk}))
    assert "<html" in page and "Disable 1 mailbox?" in page
    answer = console.post(f"{TAB}list/selected/disable/", {"ids": str(row.pk)}, follow=True)
    assert answer.redirect_chain[-1][0] == f"{TAB}list/"
    assert "can no longer sign in" in html(answer)


# --- acting


@pytest.mark.parametrize(
    ("action", "before", "text"),
    [
        ("disable", True, "3 mailboxes can no longer sign in; mail to them is still received."),
        ("enable", False, "3 mailboxes can sign in again."),
    ],
)
def test_many_mailboxes_are_switched_in_one_change(
    console: Client, action: str, before: bool, text: str
) -> None:
    rows = [factories.mailbox(f"m{number}@example.com", enabled=before) for number in range(3)]
    generation = Stack.load().desired_generation
    answer = act(console, f"list/selected/{action}/", *rows)
    assert told(answer) == text
    assert set(Mailbox.objects.values_list("enabled", flat=True)) == {not before}
    assert Stack.load().desired_generation == generation + 1
    assert AuditEntry.objects.filter(action="mailbox.changed").count() == 3


def test_what_was_so_already_is_said(console: Client) -> None:
    row = factories.mailbox(enabled=False)
    assert told(act(console, "list/selected/disable/", row)) == "They were already disabled."


def test_many_mailboxes_are_deleted_in_one_change(
    console: Client, rung: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    rows = [factories.mailbox(f"m{number}@example.com") for number in range(4)]
    before = Stack.load().desired_generation
    with django_capture_on_commit_callbacks(execute=True):
        answer = act(console, "list/selected/delete/", *rows)
    assert "4 mailboxes are deleted. You can restore them" in told(answer)
    assert Mailbox.objects.deleted().count() == 4
    assert (Stack.load().desired_generation, rung) == (before + 1, ["stack"])


def test_one_that_cannot_be_restored_does_not_hold_up_the_others(console: Client) -> None:
    taken = factories.mailbox(deleted_at=NOW, home="example.com/ada..1")
    factories.mailbox()
    free = factories.mailbox("ben@example.com", deleted_at=NOW)
    page = html(act(console, "deleted/selected/restore/", taken, free))
    assert "1 mailbox is back" in page
    assert "The mailbox ada@example.com already exists." in page
    free.refresh_from_db()
    assert free.deleted_at is None


def test_aliases_are_switched_and_deleted_in_one_change_each(console: Client) -> None:
    rows = [factories.alias(f"a{number}@example.com") for number in range(3)]
    generation = Stack.load().desired_generation
    assert told(act(console, "aliases/selected/disable/", *rows)) == "3 aliases no longer forward mail."
    assert not Alias.objects.filter(enabled=True).exists()
    assert told(act(console, "aliases/selected/enable/", *rows[:1])) == "1 alias forwards mail again."
    assert told(act(console, "aliases/selected/delete/", *rows)) == "3 aliases are deleted."
    assert not Alias.objects.exists()
    assert Stack.load().desired_generation == generation + 3


def test_of_many_domains_all_are_deleted_or_none(console: Client) -> None:
    filled, empty = factories.mailbox().domain, factories.domain("example.org")
    page = html(act(console, "domains/selected/delete/", filled, empty))
    assert "Nothing was changed." in page
    assert "still has 1 mailbox" in page
    assert Domain.objects.count() == 2
    assert told(act(console, "domains/selected/delete/", empty)) == "1 domain is deleted."


@pytest.mark.parametrize("sent", ["", "x", "1,,2", "-1", "9" * 30])
def test_ids_that_are_none_change_nothing(console: Client, sent: str) -> None:
    row = factories.mailbox()
    Mailbox.objects.filter(pk=row.pk).update(id=500)
    assert console.post(f"{TAB}list/selected/delete/", {"ids": sent}, headers=HTMX).status_code == 204
    assert Mailbox.objects.get().deleted_at is None


# --- who may


@pytest.mark.slow
def test_who_may_only_look_is_offered_nothing_and_refused(client: Client, other_staff: User) -> None:
    running()
    row = factories.mailbox()
    grant(other_staff, "view_stack", "view_mailbox", "view_domain", "view_alias")
    client.force_login(other_staff)
    for path in ACTIONS:
        assert 'name="pk"' not in html(client.get(f"{TAB}{path.partition('selected')[0]}", headers=LIST))
        assert client.get(f"{TAB}{path}", {"pk": row.pk}).status_code == 403
        assert client.post(f"{TAB}{path}", {"ids": row.pk}).status_code == 403


def test_who_may_only_change_is_not_offered_to_delete(client: Client, other_staff: User) -> None:
    factories.mailbox()
    grant(other_staff, "view_mailbox", "change_mailbox")
    client.force_login(other_staff)
    page = html(client.get(f"{TAB}list/", headers=LIST))
    assert f"{TAB}list/selected/disable/" in page
    assert f"{TAB}list/selected/delete/" not in page


def test_the_bar_offers_all_that_match_only_where_there_are_more_pages(console: Client) -> None:
    factories.mailbox()
    assert 'name="all"' not in html(console.get(f"{TAB}list/", headers=LIST))
    for number in range(30):
        factories.mailbox(f"ben{number}@example.com")
    assert "All 31 mailboxes</label>" in html(console.get(f"{TAB}list/", headers=LIST))
    assert "All 30 mailboxes that match</label>" in html(console.get(f"{TAB}list/?q=ben", headers=LIST))
