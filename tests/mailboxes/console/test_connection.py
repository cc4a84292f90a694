"""Connection settings: the panel, the code to scan, the files for mail programs, and when it is live."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.test import Client
from django.utils import timezone

from mailboxes.console import connection
from mailboxes.models import Mailbox
from tests.mailboxes import factories
from tests.mailboxes.consolepages import HTMX, TAB, html, running


@pytest.fixture
def row(db: None) -> Mailbox:
    running()
    return factories.mailbox(password_hash="x")


@pytest.fixture
def console(client: Client, operator: User, row: Mailbox) -> Client:
    client.force_login(operator)
    return client


def panel(console: Client, row: Mailbox, **more: Any) -> str:
    return html(console.get(f"{TAB}{row.pk}/connection/", headers={**HTMX, **more}))


def scan(text: str) -> Any:
    return Client().get(f"{TAB}profile/{text}.mobileconfig")


def test_the_panel_has_hosts_ports_and_security(console: Client, row: Mailbox) -> None:
    page = panel(console, row)
    for words in (
        "ada@example.com",
        "mail.example.com",
        "993",
        "465",
        "SSL/TLS",
        "IMAP on port 143, SMTP on port 587",
        "<svg",
    ):
        assert words in page


def test_the_port_offset_counts(console: Client, row: Mailbox, settings: Any) -> None:
    settings.QUAZZAR_STACK_PORT_OFFSET = 20_000
    page = panel(console, row)
    assert "20993" in page
    assert ">993<" not in page
    for path in ("profile", "autoconfig"):
        assert b"20993" in console.get(f"{TAB}{row.pk}/{path}/").content


def test_before_there_is_a_hostname_there_is_nothing_to_connect_to(console: Client, row: Mailbox) -> None:
    running(hostname="", enabled=False, phase="disabled")
    assert "once the mail server has a hostname" in panel(console, row)
    assert console.get(f"{TAB}{row.pk}/profile/").status_code == 404


def test_it_is_asked_again_until_it_is_live(console: Client, row: Mailbox) -> None:
    page = html(console.get(f"{TAB}{row.pk}/live/", headers=HTMX))
    assert 'data-every="1"' in page
    Mailbox.objects.update(applied_at=timezone.now())
    page = html(console.get(f"{TAB}{row.pk}/live/", headers=HTMX))
    assert "It can sign in now." in page
    assert "data-every" not in page


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000"])
def test_a_console_of_this_machine_only_gives_a_code_with_the_settings(
    console: Client, row: Mailbox, host: str
) -> None:
    assert "These settings as text" in panel(console, row, host=host)


def test_a_console_that_a_phone_can_reach_gives_a_code_with_the_profile(
    console: Client, row: Mailbox, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["node.example.com"]
    assert "Scan with an iPhone" in panel(console, row, host="node.example.com")


# --- the files


@pytest.mark.parametrize(
    ("path", "kind"), [("profile", "application/x-apple-aspen-config"), ("autoconfig", "application/xml")]
)
def test_the_files_name_the_server_and_no_secret(console: Client, row: Mailbox, path: str, kind: str) -> None:
    answer = console.get(f"{TAB}{row.pk}/{path}/")
    assert answer["Content-Type"] == kind
    assert b"mail.example.com" in answer.content
    assert b"ARGON2ID" not in answer.content


def test_a_ticket_lets_a_phone_fetch_the_profile_without_signing_in(row: Mailbox) -> None:
    answer = scan(connection.ticket(row))
    assert answer.status_code == 200
    assert b"ada@example.com" in answer.content
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("ticket", ["x", "a:b:c"])
def test_a_ticket_that_is_none_gets_nothing(row: Mailbox, ticket: str) -> None:
    assert scan(ticket).status_code == 404


def test_a_ticket_signed_for_something_else_gets_nothing(row: Mailbox) -> None:
    assert scan(signing.dumps(row.pk, salt="another")).status_code == 404


def test_a_ticket_ends_after_an_hour(row: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = connection.ticket(row)
    monkeypatch.setattr(connection, "TICKET_SECONDS", -1)
    assert scan(ticket).status_code == 404


def test_a_ticket_ends_with_the_mailbox_and_with_the_plan(row: Mailbox, plan: Any) -> None:
    ticket = connection.ticket(row)
    plan("community")
    assert scan(ticket).status_code == 404
    plan("pro")
    assert scan(ticket).status_code == 200
    Mailbox.objects.update(deleted_at=timezone.now())
    assert scan(ticket).status_code == 404
