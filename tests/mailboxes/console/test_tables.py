"""The models' pages: through the domain functions, behind the gate, without secrets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from mailboxes.models import Alias, Domain, ImportJob, Mailbox, Stack, error_value
from mailboxes.provisioning import passwords
from quazzar.models import AuditEntry
from tests.mailboxes import factories
from tests.mailboxes.consolepages import grant, html, revealed, running

ADMIN = "/admin/mailboxes/"
NOW = timezone.now()
MODELS = ("stack", "domain", "mailbox", "alias", "importjob")


@pytest.fixture
def console(client: Client, operator: User, rung: list[str]) -> Client:
    running(controller_password="fern-Otter-31-gravel")
    client.force_login(operator)
    return client


def shown(console: Client, model: str, query: str = "") -> str:
    return html(console.get(f"{ADMIN}{model}/{query}"))


def act(console: Client, model: str, action: str, *rows: Any, **more: str) -> str:
    chosen = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    return html(
        console.post(
            f"{ADMIN}{model}/?deleted=all" if model == "mailbox" else f"{ADMIN}{model}/", chosen, follow=True
        )
    )


def new_mailbox(console: Client, **values: str) -> str:
    usual = {"domain": str(factories.domain().pk), "local_part": "ben", "display_name": "Ben", "quota_mb": "10",
             "password": factories.PASSWORD, "enabled": "on", "can_send": "on", "can_receive": "on"}  # fmt: skip
    return html(console.post(f"{ADMIN}mailbox/add/", {**usual, **values}, follow=True))


# --- the pages


@pytest.mark.parametrize("model", MODELS)
def test_every_list_is_behind_the_gate(console: Client, plan: Callable[[str], None], model: str) -> None:
    assert "Mail Relay requires" not in shown(console, model)
    plan("community")
    assert "Mail Relay requires" in shown(console, model)


@pytest.mark.parametrize("path", ["change/", "delete/", "history/"])
def test_so_is_every_page_of_a_row(console: Client, plan: Callable[[str], None], path: str) -> None:
    row = factories.mailbox()
    assert console.get(f"{ADMIN}mailbox/{row.pk}/{path}").status_code == 200
    plan("community")
    assert "Mail Relay requires" in html(console.get(f"{ADMIN}mailbox/{row.pk}/{path}"))
    assert console.post(f"{ADMIN}mailbox/{row.pk}/{path}", {"post": "yes"}).status_code == 402


def test_the_apps_own_index_leads_to_the_tab(console: Client) -> None:
    assert console.get(ADMIN)["Location"] == "/admin/mail-relay/mailboxes/"


def test_the_server_is_shown_and_never_edited(console: Client) -> None:
    Stack.objects.update(phase="degraded", last_error=error_value("x", "Rspamd is ill."))
    page = shown(console, "stack", "1/change/")
    for words in ("mail.example.com", "Needs attention", "Rspamd is ill.", "7 of 7 is live"):
        assert words in page
    assert "fern-Otter" not in page
    assert console.post(f"{ADMIN}stack/1/change/", {"hostname": "x"}).status_code == 403
    assert console.post(f"{ADMIN}stack/1/delete/", {"post": "yes"}).status_code == 403


def test_an_import_is_shown_without_its_rows(console: Client) -> None:
    job = ImportJob.objects.create(total=5, done=2, rows="plum-Tundra")
    page = shown(console, "importjob", f"{job.pk}/change/")
    assert "2 of 5" in page
    assert "plum-Tundra" not in page
    assert "2 of 5" in shown(console, "importjob")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?q=ada", ["ada"]), ("?q=Lovelace", ["ada"]), ("?enabled__exact=0", ["ben"]), ("?live=yes", ["ada"]),
        ("?live=no", ["ben"]), ("?deleted=yes", ["cleo"]), ("?deleted=all", ["ada", "ben", "cleo"]),
        ("", ["ada", "ben"]),
    ],
)  # fmt: skip
def test_mailboxes_are_found_by_search_and_filters(console: Client, query: str, found: list[str]) -> None:
    factories.mailbox(display_name="Lovelace", applied_at=NOW)
    factories.mailbox("ben@example.com", enabled=False)
    factories.mailbox("cleo@example.com", deleted_at=NOW)
    page = shown(console, "mailbox", query)
    assert [name for name in ("ada", "ben", "cleo") if f"{name}@example.com" in page] == found


@pytest.mark.parametrize("model", ["mailbox", "alias", "domain"])
def test_the_number_of_queries_does_not_grow(
    console: Client, model: str, django_assert_max_num_queries: Any
) -> None:
    def look() -> int:
        with django_assert_max_num_queries(60) as taken:
            shown(console, model)
        return len(taken.captured_queries)

    factories.mailbox("m0@d0.example", password_hash="x")
    factories.alias("a0@d0.example")
    few = look()
    for number in range(1, 12):
        factories.mailbox(f"m{number}@d{number}.example", password_hash="x")
        factories.alias(f"a{number}@d{number}.example")
    assert look() <= few + 1


# --- adding and changing


def test_a_mailbox_is_added_by_the_domain_function(console: Client) -> None:
    assert "was added successfully" in new_mailbox(console)
    row = Mailbox.objects.get()
    assert (row.address, row.quota_mb, row.home) == ("ben@example.com", 10, "example.com/ben")
    assert passwords.verify(revealed(row.password_hash), factories.PASSWORD)
    assert AuditEntry.objects.filter(action="mailbox.added", target="ben@example.com").exists()


@pytest.mark.parametrize(
    ("field", "value"), [("local_part", "a b"), ("password", "short"), ("local_part", "ada")]
)
def test_what_the_domain_refuses_stands_beside_the_fields(console: Client, field: str, value: str) -> None:
    factories.mailbox()
    page = new_mailbox(console, **{field: value})
    assert f'id="id_{field}_error"' in page
    assert "Please correct the error" in page
    assert factories.PASSWORD not in page
    assert Mailbox.objects.count() == 1


def test_a_mailbox_is_changed_and_its_password_kept(console: Client) -> None:
    row = factories.mailbox(password_hash="{ARGON2ID}x")
    values = {"display_name": "Ada", "quota_mb": "5", "password": "", "can_send": "on"}
    console.post(f"{ADMIN}mailbox/{row.pk}/change/", values)
    row.refresh_from_db()
    assert (row.display_name, row.quota_mb, row.enabled) == ("Ada", 5, False)
    assert revealed(row.password_hash) == "{ARGON2ID}x"


def test_no_page_shows_a_hash(console: Client) -> None:
    row = factories.mailbox(password_hash="{ARGON2ID}x")
    for path in ("mailbox/", f"mailbox/{row.pk}/change/", f"mailbox/{row.pk}/history/"):
        assert "ARGON2ID" not in html(console.get(f"{ADMIN}{path}"))


def test_a_domain_is_added_and_its_catch_all_changed(console: Client) -> None:
    console.post(f"{ADMIN}domain/add/", {"name": "Example.org", "catch_all": ""})
    row = Domain.objects.get()
    assert (row.name, row.dkim_selector) == ("example.org", "quazzar")
    console.post(f"{ADMIN}domain/{row.pk}/change/", {"catch_all": "ada@example.org"})
    row.refresh_from_db()
    assert row.catch_all == "ada@example.org"


def test_a_domain_that_is_there_is_refused_in_the_form(console: Client) -> None:
    factories.domain()
    page = html(console.post(f"{ADMIN}domain/add/", {"name": "example.com", "catch_all": ""}))
    assert "There is a domain example.com already." in page


def test_an_alias_is_added_and_changed(console: Client) -> None:
    values = {"domain": str(factories.domain().pk), "local_part": "info", "enabled": "on"}
    console.post(f"{ADMIN}alias/add/", {**values, "destinations": "ada@example.com\nben@example.net"})
    row = Alias.objects.get()
    assert row.destinations == ["ada@example.com", "ben@example.net"]
    console.post(f"{ADMIN}alias/{row.pk}/change/", {"destinations": "ben@example.net"})
    row.refresh_from_db()
    assert (row.destinations, row.enabled) == (["ben@example.net"], False)


# --- deleting


def test_many_mailboxes_are_deleted_in_one_change(
    console: Client, rung: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    rows = [factories.mailbox(f"m{number}@example.com") for number in range(4)]
    assert "Are you sure" in act(console, "mailbox", "delete_selected", *rows)
    before = Stack.load().desired_generation
    with django_capture_on_commit_callbacks(execute=True):
        act(console, "mailbox", "delete_selected", *rows, post="yes")
    assert Mailbox.objects.filter(deleted_at__isnull=False).count() == 4
    assert (Stack.load().desired_generation, rung) == (before + 1, ["stack"])


def test_one_mailbox_is_deleted_and_can_be_restored(console: Client) -> None:
    row = factories.mailbox()
    console.post(f"{ADMIN}mailbox/{row.pk}/delete/", {"post": "yes"})
    row.refresh_from_db()
    assert row.deleted_at is not None
    assert console.post(f"{ADMIN}mailbox/{row.pk}/change/", {"display_name": "x"}).status_code == 403
    assert "1 mailbox: restored" in act(console, "mailbox", "restore_selected", row)
    row.refresh_from_db()
    assert row.deleted_at is None


def test_a_mailbox_that_cannot_be_restored_says_why(console: Client) -> None:
    row = factories.mailbox(deleted_at=NOW, home="example.com/ada..1")
    factories.mailbox()
    assert "There is a mailbox ada@example.com already." in act(console, "mailbox", "restore_selected", row)


@pytest.mark.parametrize(("action", "before"), [("disable_selected", True), ("enable_selected", False)])
def test_many_are_let_in_or_out_in_one_change(console: Client, action: str, before: bool) -> None:
    rows = [factories.mailbox(f"m{number}@example.com", enabled=before) for number in range(3)]
    generation = Stack.load().desired_generation
    assert "3 mailboxes" in act(console, "mailbox", action, *rows)
    assert set(Mailbox.objects.values_list("enabled", flat=True)) == {not before}
    assert Stack.load().desired_generation == generation + 1


@pytest.mark.parametrize("many", [False, True])
def test_a_domain_with_mailboxes_is_not_deleted(console: Client, many: bool) -> None:
    row = factories.mailbox().domain
    empty = factories.domain("example.org")
    assert row
    if many:
        page = act(console, "domain", "delete_selected", row, empty, post="yes")
    else:
        page = html(console.post(f"{ADMIN}domain/{row.pk}/delete/", {"post": "yes"}, follow=True))
    assert "still has 1 mailbox" in page
    assert Domain.objects.count() == 2


def test_aliases_are_switched_off_and_deleted_in_one_change(console: Client) -> None:
    rows = [factories.alias(f"a{number}@example.com") for number in range(3)]
    generation = Stack.load().desired_generation
    act(console, "alias", "disable_selected", *rows)
    assert not Alias.objects.filter(enabled=True).exists()
    act(console, "alias", "delete_selected", *rows, post="yes")
    assert not Alias.objects.exists()
    assert Stack.load().desired_generation == generation + 2


# --- who may


def test_who_may_only_look_gets_no_form_and_no_action(client: Client, other_staff: User) -> None:
    row = factories.mailbox()
    grant(other_staff, "view_mailbox")
    client.force_login(other_staff)
    assert client.get(f"{ADMIN}mailbox/{row.pk}/change/").status_code == 200
    assert client.post(f"{ADMIN}mailbox/{row.pk}/change/", {"display_name": "x"}).status_code == 403
    for action in ("disable_selected", "restore_selected", "delete_selected"):
        act(client, "mailbox", action, row, post="yes")
    row.refresh_from_db()
    assert (row.enabled, row.deleted_at) == (True, None)


@pytest.mark.parametrize("model", MODELS)
def test_staff_without_the_permission_see_no_list(client: Client, other_staff: User, model: str) -> None:
    client.force_login(other_staff)
    assert client.get(f"{ADMIN}{model}/").status_code == 403


def test_reading_never_changes_anything(console: Client) -> None:
    row = factories.mailbox()
    console.get(f"{ADMIN}mailbox/{row.pk}/delete/?post=yes")
    console.get(f"{ADMIN}mailbox/?action=delete_selected&_selected_action={row.pk}&post=yes")
    row.refresh_from_db()
    assert row.deleted_at is None
