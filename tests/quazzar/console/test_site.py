"""The console as a whole: sign-in, where it begins, the audit log, and that nothing comes from elsewhere."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from quazzar import actors
from quazzar.access import audit
from quazzar.models import AuditEntry
from tests.markup import html

AUDIT = "/admin/quazzar/auditentry/"
PAGES = (
    "/admin/mail-relay/",
    "/admin/mailrelay/message/",
    "/admin/quazzar/apikey/",
    "/admin/quazzar/apikey/add/",
    AUDIT,
    "/admin/auth/user/",
    "/admin/auth/user/add/",
    "/admin/tables/",
    "/admin/password_change/",
)


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def test_the_sign_in_page_says_what_this_is(client: Client, db: None) -> None:
    page = html(client.get("/admin/login/"))
    assert "Quazzar" in page
    assert "Mail for this server" in page


def test_signing_in_leads_to_home(client: Client, operator: User) -> None:
    typed = {"username": "operator", "password": "operator-pass", "next": "/admin/"}
    answer = client.post("/admin/login/", typed, follow=True)
    assert answer.redirect_chain[-1][0] == "/admin/"


@pytest.mark.slow
def test_a_foreign_address_to_follow_leads_to_the_console(client: Client, operator: User) -> None:
    typed = {"username": "operator", "password": "operator-pass"}
    for foreign in (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "\t//evil",
    ):
        answer = Client().post(f"/admin/login/?next={foreign}", {**typed, "next": foreign}, follow=True)
        assert answer.status_code == 200
        assert answer.redirect_chain[-1][0] == "/admin/", foreign


def test_a_wrong_password_is_said_and_the_name_kept(client: Client, operator: User) -> None:
    page = html(client.post("/admin/login/", {"username": "operator", "password": "wrong"}))
    assert "Wrong sign-in name or password." in page
    assert 'value="operator"' in page


def test_an_outsider_does_not_get_in(client: Client, outsider: User) -> None:
    client.force_login(outsider)
    assert client.get("/admin/")["Location"].startswith("/admin/login/")


def test_staff_without_permissions_get_a_page_and_no_loop(client: Client, other_staff: User) -> None:
    client.force_login(other_staff)
    assert client.get("/admin/").status_code == 200


def test_all_tables_are_listed_for_those_who_may_see_them(
    client: Client, operator: User, other_staff: User
) -> None:
    client.force_login(operator)
    page = html(client.get("/admin/tables/"))
    for path in ("mailboxes/mailbox/", "dnsrecords/publisher/", "quazzar/auditentry/", "auth/user/"):
        assert f'href="/admin/{path}"' in page
    other_staff.user_permissions.add(Permission.objects.get(codename="view_auditentry"))
    client.force_login(other_staff)
    page = html(client.get("/admin/tables/"))
    assert 'href="/admin/quazzar/auditentry/"' in page
    assert 'href="/admin/mailboxes/mailbox/"' not in page


def test_headings_are_the_consoles_words_and_rows_keep_their_case(client: Client, operator: User) -> None:
    client.force_login(operator)
    page = html(client.get(f"/admin/auth/user/{operator.pk}/change/"))
    heading = page[page.index("<h1>") - 300 : page.index("</h1>")]
    assert "Operators" in heading and "operator" in heading
    assert "Authentication and Authorization" not in page


def test_the_sidebar_shows_what_one_may_see(client: Client, operator: User, other_staff: User) -> None:
    other_staff.user_permissions.add(Permission.objects.get(codename="view_message"))
    client.force_login(other_staff)
    page = html(client.get("/admin/mailrelay/message/"))
    assert "/admin/mailrelay/message/" in page
    assert "/admin/auth/user/" not in page
    client.force_login(operator)
    assert "/admin/auth/user/" in html(client.get("/admin/mailrelay/message/"))


@pytest.mark.parametrize("path", PAGES)
def test_no_page_loads_anything_from_elsewhere(console: Client, path: str) -> None:
    answer = console.get(path)
    assert answer.status_code == 200
    assert not re.findall(r'(?:src|href|action|url\()="?(?:https?:)?//[^"]*', html(answer))


def test_the_audit_log_shows_who_did_what(console: Client) -> None:
    with actors.acting_as("user:<night>"):
        audit.record("relay.changed", "relay settings", ["host", "port"])
    page = html(console.get(AUDIT))
    for words in ("&lt;night&gt;", "changed the relay settings", "host", "port"):
        assert words in page


def test_the_audit_log_cannot_be_changed_here(console: Client) -> None:
    entry = audit.record("relay.changed")
    assert console.get(f"{AUDIT}add/").status_code == 403
    assert console.post(f"{AUDIT}{entry.pk}/change/", {"actor": "nobody"}).status_code == 403
    assert console.post(f"{AUDIT}{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert AuditEntry.objects.get(pk=entry.pk).actor == entry.actor


def test_the_audit_log_takes_few_queries(console: Client, django_assert_max_num_queries: Any) -> None:
    for number in range(12):
        audit.record(f"relay.changed.{number}")
    with django_assert_max_num_queries(6):
        console.get(AUDIT)


@pytest.mark.parametrize(("path", "status"), [("/no/such/page", 404), ("/admin/auth/user/", 403)])
def test_error_pages_speak_plainly(client: Client, other_staff: User, path: str, status: int) -> None:
    client.force_login(other_staff)
    answer = client.get(path)
    assert answer.status_code == status
    assert "Back to the console" in html(answer)


def test_an_expired_form_is_explained(db: None) -> None:
    answer = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "x"})
    assert answer.status_code == 403
    assert "This form is out of date" in html(answer)
