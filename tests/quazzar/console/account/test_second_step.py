"""Signing in takes the password and the second factor: no page, no call and no detour can bypass that."""

from __future__ import annotations

import time
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from quazzar.access.secondfactor import attempts, pending, recovery
from quazzar.models import AuditEntry, Operator, Session
from tests.quazzar.console.account.people import LOGIN, STEP, enter, is_in, with_app

pytestmark = pytest.mark.django_db


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


def test_without_a_second_factor_the_password_is_enough(client: Client, operator: User) -> None:
    assert enter(client)["Location"] == "/admin/"
    assert is_in(client)


def test_with_one_the_password_leads_to_the_code_and_the_code_to_the_page(
    client: Client, operator: User
) -> None:
    app = with_app(operator)
    assert enter(client, to="/admin/mail-relay/dns/")["Location"] == STEP
    assert "Code from your authenticator app" in client.get(STEP).content.decode()
    assert not is_in(client)
    assert client.post(STEP, {"code": app.now()})["Location"] == "/admin/mail-relay/dns/"
    assert is_in(client)
    assert actions() == ["operator.signed_in"]
    assert client.get(STEP)["Location"] == LOGIN


def test_between_the_two_steps_nothing_is_open(operator: User) -> None:
    with_app(operator)
    client = APIClient()
    client.cookies = Client().post(LOGIN, {"username": "operator", "password": "operator-pass"}).cookies
    for path in ("/api/", "/api/mail/relay", "/api/mail/messages"):
        assert client.get(path).status_code == 401, path
    for path in (
        "",
        "account/",
        "tables/",
        "mail-relay/",
        "password_change/",
        "first-sign-in/",
        "auth/user/",
    ):
        assert client.get(f"/admin/{path}")["Location"].startswith(LOGIN), path
    row = Session.objects.get()
    assert row.user is None
    assert AuditEntry.objects.count() == 0


def test_a_key_needs_no_second_factor(operator: User, client_with: Any) -> None:
    with_app(operator)
    assert client_with(operator).get("/api/mail/relay").status_code == 200


def test_a_wrong_code_counts_as_a_failed_sign_in_and_is_not_kept(client: Client, operator: User) -> None:
    with_app(operator)
    enter(client)
    page = client.post(STEP, {"code": "quite-wrong-1"}).content.decode()
    assert "This code is wrong" in page and not is_in(client)
    assert actions() == ["operator.second_factor_failed"]
    assert "quite-wrong-1" not in str(AccessAttempt.objects.values()) + str(AuditEntry.objects.values())


@pytest.mark.slow
def test_ten_wrong_codes_lock_the_address_as_wrong_passwords_do(operator: User) -> None:
    app = with_app(operator)
    client = Client(REMOTE_ADDR="203.0.113.5")
    enter(client)
    answers = [client.post(STEP, {"code": "123"}).status_code for _ in range(10)]
    assert answers == [200] * 9 + [429]
    assert client.post(STEP, {"code": app.now()}).status_code == 429
    assert enter(Client(REMOTE_ADDR="203.0.113.5")).status_code == 429


@pytest.mark.slow
def test_ten_wrong_codes_from_anywhere_are_too_many(operator: User) -> None:
    app = with_app(operator)
    for number in range(attempts.MOST):
        client = Client(REMOTE_ADDR=f"203.0.113.{number}")
        enter(client)
        client.post(STEP, {"code": "123"})
    client = Client(REMOTE_ADDR="198.51.100.1")
    enter(client)
    assert "Too many wrong codes" in client.post(STEP, {"code": app.now()}).content.decode()
    assert not is_in(client)


@pytest.mark.slow
def test_the_right_password_again_does_not_forget_wrong_codes(operator: User) -> None:
    with_app(operator)
    client = Client(REMOTE_ADDR="203.0.113.5")
    for _ in range(9):
        enter(client)
        client.post(STEP, {"code": "123"})
    enter(client)
    assert client.post(STEP, {"code": "123"}).status_code == 429


def test_a_code_signs_in_once(operator: User) -> None:
    app = with_app(operator)
    code = app.now()
    first, second = Client(), Client()
    for client in (first, second):
        enter(client)
        client.post(STEP, {"code": code})
    assert is_in(first) and not is_in(second)


def test_a_recovery_code_signs_in_once_and_says_how_many_are_left(operator: User) -> None:
    with_app(operator)
    code = recovery.make(operator)[0]
    first, second = Client(), Client()
    for client in (first, second):
        enter(client)
        client.post(STEP, {"code": code})
    assert is_in(first) and not is_in(second)
    assert "operator.recovery_code_used" in actions()
    assert code not in str(AuditEntry.objects.values())


def test_how_many_recovery_codes_are_left_is_said(client: Client, operator: User) -> None:
    with_app(operator)
    code = recovery.make(operator)[0]
    enter(client)
    page = client.post(STEP, {"code": code}, follow=True).content.decode()
    assert "You have 9 recovery codes left." in page


def test_a_step_that_was_not_begun_leads_to_the_first(client: Client, operator: User) -> None:
    app = with_app(operator)
    for send in (client.get, client.post):
        assert send(STEP, {"code": app.now()})["Location"] == LOGIN
    assert not is_in(client)


@pytest.mark.parametrize("what", ["too late", "a new password", "locked out", "deleted"])
def test_what_happens_in_between_ends_the_sign_in(
    client: Client, operator: User, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = with_app(operator)
    enter(client)
    code = app.now()
    if what == "too late":
        later = time.time() + pending.PATIENCE
        monkeypatch.setattr("time.time", lambda: later)
    elif what == "a new password":
        operator.set_password("another-one-42")
        operator.save()
    elif what == "locked out":
        User.objects.update(is_active=False)
    else:
        User.objects.all().delete()
    assert client.post(STEP, {"code": code})["Location"] == LOGIN
    assert not is_in(client)


def test_the_page_that_was_wanted_is_one_of_this_node(client: Client, operator: User) -> None:
    app = with_app(operator)
    enter(client, to="https://elsewhere.example/")
    assert client.post(STEP, {"code": app.now()})["Location"] == "/admin/"


def test_the_session_gets_a_new_key_at_each_step(client: Client, operator: User) -> None:
    app = with_app(operator)
    client.cookies["quazzar_session"] = "planted-by-somebody-else-00000000"
    enter(client)
    between = client.cookies["quazzar_session"].value
    client.post(STEP, {"code": app.now()})
    after = client.cookies["quazzar_session"].value
    assert len({"planted-by-somebody-else-00000000", between, after}) == 3
    stolen = Client()
    stolen.cookies["quazzar_session"] = between
    assert not is_in(stolen)


def test_an_app_that_cannot_be_checked_says_so_and_recovery_codes_work(
    client: Client, operator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_app(operator)
    code = recovery.make(operator)[0]
    enter(client)
    monkeypatch.setattr("quazzar.sealing.keyring.existing", lambda: None)
    assert "key file was replaced" in client.get(STEP).content.decode()
    client.post(STEP, {"code": code})
    assert is_in(client)


def test_a_first_password_is_still_asked_for_after_the_second_step(client: Client, operator: User) -> None:
    app = with_app(operator)
    Operator.objects.update(must_change_password=True)
    enter(client)
    client.post(STEP, {"code": app.now()})
    assert client.get("/admin/account/")["Location"] == "/admin/first-sign-in/"
