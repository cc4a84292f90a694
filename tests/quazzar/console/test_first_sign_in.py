"""Operators who sign in with the printed password choose another one before anything else."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from rest_framework.test import APIClient

from quazzar.access import firstpassword
from quazzar.models import AuditEntry, Operator
from tests.mailboxes.consolepages import HTMX

PAGE = "/admin/first-sign-in/"
PRINTED, OWN = "abcd-efgh-jkmn-pqrs-tuvw", "a-long-one-of-my-own-42"


@pytest.fixture
def fresh(operator: User) -> User:
    """An operator as firstrun makes one."""
    operator.set_password(PRINTED)
    operator.save()
    firstpassword.require(operator)
    return operator


def sign_in(password: str = PRINTED) -> Client:
    client = Client()
    client.post("/admin/login/", {"username": "operator", "password": password, "next": "/admin/"})
    return client


def choose(client: Client, password: str = OWN, email: str = "op@example.com", again: str = "") -> Any:
    typed = {"new_password1": password, "new_password2": again or password, "email": email}
    return client.post(PAGE, typed)


def test_every_page_leads_to_the_choice(fresh: User) -> None:
    client = sign_in()
    for path in (
        "",
        "mail-relay/",
        "auth/user/",
        "password_change/",
        "nothing/",
        "mail-relay/mailboxes/list/",
    ):
        assert client.get(f"/admin/{path}")["Location"] == PAGE, path
        assert client.post(f"/admin/{path}")["Location"] == PAGE, path
    answer = client.get("/admin/mail-relay/figures/", headers=HTMX)
    assert (answer.status_code, answer["HX-Redirect"]) == (403, PAGE)
    shown = client.get(PAGE).content.decode()
    assert "Choose your password" in shown and "Your email address" in shown


def test_the_api_is_closed_to_the_session_and_open_to_keys(fresh: User, client_with: Any) -> None:
    client = APIClient()
    client.cookies = sign_in().cookies
    told = client.get("/api/mail/relay")
    assert (told.status_code, told.json()["error"]) == (403, "permission_denied")
    assert "choose your own password" in told.json()["message"]
    assert client_with(fresh).get("/api/mail/relay").status_code == 200


@pytest.mark.slow
def test_the_choice_opens_the_console_and_stays(fresh: User) -> None:
    client = sign_in()
    assert choose(client)["Location"] == "/admin/"
    assert client.get("/admin/mail-relay/").status_code == 200
    fresh.refresh_from_db()
    assert fresh.check_password(OWN) and fresh.email == "op@example.com"
    assert client.get(PAGE)["Location"] == "/admin/"
    assert sign_in(OWN).get("/admin/mail-relay/").status_code == 200
    entry = AuditEntry.objects.get(action="operator.changed")
    assert entry.fields == ["email", "password"] and OWN not in str(vars(entry))


@pytest.mark.parametrize(
    ("password", "email", "again"),
    [
        (PRINTED, "op@example.com", ""),
        ("short", "op@example.com", ""),
        ("password1234", "op@example.com", ""),
        (OWN, "op@example.com", "another-long-one-42"),
        (OWN, "", ""),
        (OWN, "no address", ""),
        ("", "op@example.com", ""),
    ],
)
def test_a_choice_that_is_none_changes_nothing(fresh: User, password: str, email: str, again: str) -> None:
    client = sign_in()
    assert choose(client, password, email, again).status_code == 200
    fresh.refresh_from_db()
    assert fresh.check_password(PRINTED)
    assert client.get("/admin/mail-relay/")["Location"] == PAGE


def test_signing_out_is_possible(fresh: User) -> None:
    client = sign_in()
    assert client.post("/admin/logout/").status_code == 200
    assert client.get("/admin/mail-relay/")["Location"].startswith("/admin/login/")


def test_a_second_session_with_the_printed_password_ends_with_the_choice(fresh: User) -> None:
    other, client = sign_in(), sign_in()
    choose(client)
    assert other.get("/admin/mail-relay/")["Location"].startswith("/admin/login/")


@pytest.mark.slow
def test_a_password_that_is_set_elsewhere_counts_as_chosen(
    fresh: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getpass", lambda *_, **__: OWN)
    call_command("changepassword", "operator")
    assert not Operator.objects.get().must_change_password
    assert sign_in(OWN).get("/admin/mail-relay/").status_code == 200


def test_another_operator_is_asked_nothing(other_staff: User, fresh: User) -> None:
    client = Client()
    client.post("/admin/login/", {"username": "other", "password": "other-pass"})
    assert client.get("/admin/tables/").status_code == 200
    assert client.get(PAGE)["Location"] == "/admin/"


def test_nobody_gets_to_the_choice_without_signing_in(db: None) -> None:
    assert Client().get(PAGE)["Location"].startswith("/admin/login/")


def test_the_page_after_signing_out_is_ours(client: Client, operator: User) -> None:
    client.force_login(operator)
    page = client.post("/admin/logout/").content.decode()
    assert "You are signed out" in page and "quality time" not in page
    assert 'href="/admin/login/"' in page
