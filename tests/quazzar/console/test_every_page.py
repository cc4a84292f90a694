"""Every page of Mail Relay that is not a model's: who gets in, and that reading changes nothing."""

from __future__ import annotations

import html as html_of
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, reverse

import quazzar.urls  # noqa: F401  (apps add their pages to the console's)
from mailrelay.models import RelaySettings
from quazzar.console import site
from quazzar.rights import LOOK_AROUND, MANAGE_OPERATORS, OWN_ACCOUNT
from tests.mailboxes import factories
from tests.mailboxes.consolepages import running
from tests.tiers import some

WALL = "Mail Relay requires Orbit Pro"
HTMX = {"HX-Request": "true"}
#: For everybody who may sign in, or with a ticket; and redirects.
OPEN = {
    *("index", "tables", "first_sign_in", "second_factor_needed", "password_change", "mail_boxes_scanned"),
    *("login", "second_step", "passkey_needed", "passkey_options", "passkey_sign_in", "welcome", None, ""),
}
ROUTES = [route for route in site.PAGES if route.name not in OPEN]
#: Pages of an operator's own account, and of the node's state.
FOR_ALL_STAFF = {
    route.name for route in ROUTES if getattr(route.callback, "right", None) in (OWN_ACCOUNT, LOOK_AROUND)
}
#: Installing a licence must be possible on a plan that does not include Mail Relay, and seeing that it has ended; the
#: list of operators and the audit log are not part of any plan.
ON_ANY_PLAN = {
    *("mail_relay_license", "audit_csv", "audit_jsonl"),
    *FOR_ALL_STAFF,
    *(route.name for route in ROUTES if getattr(route.callback, "right", None) == MANAGE_OPERATORS),
}


def address(route: URLPattern) -> str:
    """The route's address, with the id of the first row where it takes one."""
    names = route.pattern.converters
    return reverse(f"admin:{route.name}", kwargs=dict.fromkeys(names, 1))


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def test_all_apps_have_pages_here() -> None:
    names = {route.name for route in ROUTES}
    assert {"mail_relay", "mail_boxes_list", "mail_boxes_list_delete", "dns_domain"} <= names
    assert len(ROUTES) > 60


@pytest.mark.slow
@pytest.mark.long
def test_nobody_gets_in_without_signing_in(client: Client, db: None) -> None:
    for route in ROUTES:
        assert client.get(address(route))["Location"].startswith("/admin/login/"), route.name
    for route in some(ROUTES, 3):
        assert client.post(address(route))["Location"].startswith("/admin/login/"), route.name
        for send in (client.get, client.post):
            answer = send(address(route), headers=HTMX)
            assert (answer.status_code, answer["HX-Trigger"]) == (401, "console-signed-out"), route.name


@pytest.mark.slow
@pytest.mark.long
def test_staff_without_a_permission_are_refused(client: Client, other_staff: User) -> None:
    client.force_login(other_staff)
    posted = some(ROUTES, 3)
    for route in ROUTES:
        for send in (client.get, client.post) if route in posted else (client.get,):
            is_refused = send(address(route)).status_code == 403
            assert is_refused != (route.name in FOR_ALL_STAFF), route.name


@pytest.mark.slow
@pytest.mark.long
def test_a_plan_without_mail_relay_gets_the_lock_card_and_changes_nothing(
    console: Client, plan: Callable[[str], None]
) -> None:
    plan("community")
    for route in some(ROUTES, 5):
        if route.name in ON_ANY_PLAN:
            continue
        read = console.get(address(route))
        assert WALL in html_of.unescape(read.content.decode()), route.name
        assert console.post(address(route), {"on": "on", "hostname": "mail.example.org"}).status_code == 402
        answer = console.post(address(route), headers=HTMX)
        assert (answer.status_code, answer["HX-Refresh"]) == (402, "true"), route.name


@pytest.mark.slow
@pytest.mark.long
def test_reading_changes_nothing(console: Client, relay: RelaySettings) -> None:
    running()
    factories.domain(pk=1)
    factories.mailbox(pk=1)
    factories.alias(pk=1)
    for route in some(ROUTES, 3):
        with CaptureQueriesContext(connection) as queries:
            answer: Any = console.get(address(route))
        assert answer.status_code in (200, 204, 302, 404), route.name
        written = [sql for sql in map(_statement, queries) if sql.startswith(("INSERT", "UPDATE", "DELETE"))]
        assert not written, route.name


def _statement(query: dict[str, str]) -> str:
    return query["sql"].lstrip()


@pytest.mark.slow
@pytest.mark.long
def test_no_page_is_kept_by_a_cache(console: Client, relay: RelaySettings) -> None:
    running()
    factories.domain(pk=1)
    factories.mailbox(pk=1)
    factories.alias(pk=1)
    for route in some(ROUTES, 4):
        assert "no-store" in console.get(address(route)).headers.get("Cache-Control", ""), route.name
