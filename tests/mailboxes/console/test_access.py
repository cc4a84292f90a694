"""Who sees the Mailboxes tab and who may change what: the permission, the plan, and what HTMX is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from mailboxes.models import Mailbox, Stack
from tests.mailboxes import factories
from tests.mailboxes.consolepages import HTMX, TAB, grant, html, running

WALL = "Mail Relay requires Orbit Pro."
PAGES = ("server/", "list/", "deleted/", "domains/", "aliases/", "import/", "add/", "domains/add/", "aliases/add/",
         "certificate/", "disable/", "compose/", "logs/", "export/", "head/")  # fmt: skip
CHANGES = ("enable/", "preflight/", "retry/", "relay/", "owners/", "interruption/", "password/", "password/new/",
           "generate/", "import/check/", "import/start/")  # fmt: skip


@pytest.fixture
def console(client: Client, operator: User, rung: list[str]) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def viewer(client: Client, other_staff: User) -> Client:
    """May look at everything, and change nothing."""
    grant(other_staff, "view_stack", "view_mailbox", "view_domain", "view_alias")
    client.force_login(other_staff)
    return client


@pytest.fixture
def row(db: None) -> Mailbox:
    running()
    return factories.mailbox()


def test_the_tab_stands_beside_the_relay_settings(console: Client) -> None:
    page = html(console.get("/admin/mail-relay/"))
    assert page.index(">Relay settings</a>") < page.index(">Mailboxes</a>") < page.index(">DNS records</a>")


@pytest.mark.parametrize("path", PAGES)
def test_community_sees_the_lock_card_on_every_page(
    console: Client, row: Mailbox, plan: Callable[[str], None], path: str
) -> None:
    plan("community")
    assert WALL in html(console.get(f"{TAB}{path}"))


@pytest.mark.parametrize("path", CHANGES)
def test_what_is_sent_to_a_locked_page_changes_nothing(
    console: Client, row: Mailbox, plan: Callable[[str], None], path: str
) -> None:
    plan("community")
    assert console.post(f"{TAB}{path}", {"on": "on", "hostname": "mail.example.org"}).status_code == 402
    assert not Stack.load().send_through_relay


@pytest.mark.parametrize("path", CHANGES)
def test_reading_an_address_that_changes_something_leads_to_the_tab(
    console: Client, row: Mailbox, path: str
) -> None:
    answer = console.get(f"{TAB}{path}")
    assert (answer.status_code, answer["Location"]) == (302, TAB)
    assert not Stack.load().interruption_allowed


@pytest.mark.parametrize("path", PAGES + CHANGES)
def test_staff_without_a_permission_see_nothing(
    client: Client, other_staff: User, row: Mailbox, path: str
) -> None:
    client.force_login(other_staff)
    answer = client.post(f"{TAB}{path}") if path in CHANGES else client.get(f"{TAB}{path}")
    assert answer.status_code == 403


def test_nobody_gets_in_without_signing_in(client: Client, row: Mailbox) -> None:
    assert "/login/" in client.get(f"{TAB}list/")["Location"]


@pytest.mark.parametrize("path", ["server/", "list/", "deleted/", "domains/", "aliases/", "{pk}/connection/"])
def test_who_may_look_sees_the_pages(viewer: Client, row: Mailbox, path: str) -> None:
    assert viewer.get(f"{TAB}{path.format(pk=row.pk)}").status_code == 200


@pytest.mark.parametrize(
    "path", ["{pk}/", "{pk}/enabled/", "{pk}/delete/", "{pk}/restore/", "add/", "enable/", "disable/", "password/",
             "certificate/", "import/start/", "domains/add/", "aliases/add/", "relay/", "interruption/"]
)  # fmt: skip
def test_who_may_only_look_changes_nothing(viewer: Client, row: Mailbox, rung: list[str], path: str) -> None:
    assert viewer.post(f"{TAB}{path.format(pk=row.pk)}", {"on": "on"}).status_code == 403
    assert not rung


def test_who_may_only_look_is_offered_nothing_to_press(viewer: Client, row: Mailbox) -> None:
    shown = html(viewer.get(f"{TAB}list/"))
    for words in ("Add mailbox", "Edit ada@example.com", "Delete ada@example.com", f"{TAB}{row.pk}/enabled/"):
        assert words not in shown
    assert "Show password" not in html(viewer.get(f"{TAB}server/"))


def test_who_may_only_add_cannot_delete(client: Client, other_staff: User, row: Mailbox) -> None:
    grant(other_staff, "view_mailbox", "add_mailbox")
    client.force_login(other_staff)
    assert client.get(f"{TAB}add/").status_code == 200
    assert client.post(f"{TAB}{row.pk}/delete/").status_code == 403


def test_who_may_not_see_the_relay_still_finds_the_tab(
    client: Client, other_staff: User, row: Mailbox
) -> None:
    grant(other_staff, "view_mailbox")
    client.force_login(other_staff)
    page = html(client.get(f"{TAB}list/"))
    assert f'href="{TAB}"' in page
    assert 'href="/admin/mail-relay/"' not in page


@pytest.mark.parametrize(("plan_name", "status"), [("pro", 204), ("community", 402)])
def test_htmx_is_told_to_load_the_page_anew_when_the_plan_lapses(
    console: Client, row: Mailbox, plan: Callable[[str], None], plan_name: str, status: int
) -> None:
    plan(plan_name)
    answer = console.post(f"{TAB}{row.pk}/enabled/", headers=HTMX)
    assert answer.status_code == status
    assert ("HX-Refresh" in answer) is (status == 402)


def test_htmx_is_told_to_load_the_page_anew_when_the_session_ends(client: Client, row: Mailbox) -> None:
    answer = client.get(f"{TAB}head/", headers=HTMX)
    assert (answer.status_code, answer["HX-Refresh"]) == (401, "true")


def test_htmx_without_the_permission_is_refused(viewer: Client, row: Mailbox) -> None:
    answer = viewer.post(f"{TAB}{row.pk}/enabled/", headers=HTMX)
    assert (answer.status_code, answer["HX-Refresh"]) == (403, "true")


def test_a_form_without_its_token_is_refused(operator: User, row: Mailbox) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    assert client.post(f"{TAB}{row.pk}/delete/").status_code == 403
    assert Mailbox.objects.get().deleted_at is None


@pytest.mark.parametrize(
    "path", ["{pk}/", "{pk}/delete/", "{pk}/connection/", "domains/{pk}/", "aliases/{pk}/"]
)
def test_what_is_not_there_is_404(console: Client, db: None, path: str) -> None:
    assert console.get(f"{TAB}{path.format(pk=999)}").status_code == 404


def test_no_page_is_kept_by_a_cache(console: Client, row: Mailbox) -> None:
    for path in ("list/", "server/", f"{row.pk}/connection/"):
        answer: Any = console.get(f"{TAB}{path}")
        assert "no-store" in answer["Cache-Control"]
