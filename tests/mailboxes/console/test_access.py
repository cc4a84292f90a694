"""Who may change what in the Mailboxes tab, and what is offered to whom.

That nobody gets in without signing in, a permission and the plan is shown for every page of all apps in
``tests/quazzar/console/test_every_page.py``.
"""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from mailboxes.models import Mailbox, Stack
from tests.mailboxes import factories
from tests.mailboxes.consolepages import HTMX, TAB, grant, html, running

CHANGES = (
    "enable/",
    "preflight/",
    "retry/",
    "relay/",
    "owners/",
    "interruption/",
    "password/",
    "password/new/",
    "generate/",
    "import/check/",
    "import/start/",
)


@pytest.fixture
def console(client: Client, operator: User, rung: list[str]) -> Client:
    client.force_login(operator)
    return client


@pytest.fixture
def viewer(client: Client, other_staff: User) -> Client:
    """An operator who may see everything and change nothing."""
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


def test_reading_an_address_that_changes_something_leads_to_the_tab(console: Client, row: Mailbox) -> None:
    for path in CHANGES:
        answer = console.get(f"{TAB}{path}")
        assert (answer.status_code, answer["Location"]) == (302, TAB)
    assert not Stack.load().interruption_allowed


@pytest.mark.slow
def test_who_may_look_sees_the_pages(viewer: Client, row: Mailbox) -> None:
    for path in ("server/", "list/", "deleted/", "domains/", "aliases/", f"{row.pk}/connection/"):
        assert viewer.get(f"{TAB}{path}").status_code == 200


@pytest.mark.slow
def test_who_may_only_look_changes_nothing(viewer: Client, row: Mailbox, rung: list[str]) -> None:
    for path in (
        *CHANGES,
        *(f"{row.pk}/{verb}" for verb in ("", "enabled/", "delete/", "restore/")),
        "add/",
        "disable/",
        "certificate/",
        "domains/add/",
        "aliases/add/",
    ):
        assert viewer.post(f"{TAB}{path}", {"on": "on"}).status_code == 403, path
    assert viewer.post(f"{TAB}{row.pk}/enabled/", headers=HTMX).status_code == 403
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


def test_a_form_without_its_token_is_refused(operator: User, row: Mailbox) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    assert client.post(f"{TAB}{row.pk}/delete/").status_code == 403
    assert Mailbox.objects.get().deleted_at is None


def test_what_is_not_there_is_404(console: Client, db: None) -> None:
    for path in ("999/", "999/delete/", "999/connection/", "domains/999/", "aliases/999/"):
        assert console.get(f"{TAB}{path}").status_code == 404
