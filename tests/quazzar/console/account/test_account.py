"""The account page: profile, authenticator app, recovery codes, and the password again after a while."""

from __future__ import annotations

import html as html_of
import re
import time

import pyotp
import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from quazzar.access import reproof
from quazzar.access.secondfactor import factors, policy, recovery
from quazzar.models import AuditEntry, Operator, RecoveryCode
from tests.quazzar.console.account.people import enter, is_in, with_app

pytestmark = pytest.mark.django_db
PAGE, APP, CODES, AGAIN = (f"/admin/account/{name}" for name in ("", "app/", "codes/", "password-again/"))
NEEDED = "/admin/second-factor-needed/"


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def shown(client: Client, path: str) -> str:
    return html_of.unescape(client.get(path).content.decode())


def setup_of(page: str) -> tuple[str, pyotp.TOTP]:
    """The hidden field of the page, and an app that scanned it."""
    token = re.search(r'name="setup" value="([^"]+)"', page)
    secret = re.search(r'id="secret"[^>]*>([A-Z2-7 ]+)<', page)
    assert token and secret
    return token[1], pyotp.TOTP(secret[1].replace(" ", ""))


def test_the_profile_is_saved_and_recorded_by_the_names_of_its_fields(
    console: Client, operator: User
) -> None:
    console.post(PAGE, {"first_name": "Ada de Lovelace", "email": "ada@example.com"})
    operator.refresh_from_db()
    assert (operator.get_full_name(), operator.email) == ("Ada de Lovelace", "ada@example.com")
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.fields) == ("operator.changed", ["email", "name"])
    console.post(PAGE, {"first_name": "Ada de Lovelace", "email": "ada@example.com"})
    assert AuditEntry.objects.count() == 1


def test_a_profile_changes_neither_name_nor_power(console: Client, operator: User, other_staff: User) -> None:
    console.post(PAGE, {"first_name": "", "email": "no address", "username": "root", "pk": other_staff.pk})
    console.post(
        PAGE, {"first_name": "x", "email": "", "username": "root", "is_superuser": "", "is_staff": ""}
    )
    operator.refresh_from_db()
    assert (operator.username, operator.is_superuser, operator.email) == ("operator", True, "")
    assert User.objects.get(pk=other_staff.pk).first_name == ""


@pytest.mark.slow
def test_an_app_is_set_up_with_a_first_code_and_recovery_codes_are_shown_once(
    console: Client, operator: User
) -> None:
    token, app = setup_of(shown(console, APP))
    assert "Wrong code." in html_of.unescape(
        console.post(APP, {"setup": token, "code": "123456x"}).content.decode()
    )
    assert not factors.has_any(operator)
    page = html_of.unescape(console.post(APP, {"setup": token, "code": app.now()}).content.decode())
    codes = re.findall(r"^(?:.*>)?((?:[a-z2-9]{4}-){3}[a-z2-9]{4})$", page, re.MULTILINE)
    assert len(codes) == 10 and 'download="quazzar-recovery-codes.txt"' in page
    assert factors.of(operator).codes_left == 10
    assert codes[0] not in shown(console, PAGE) + shown(console, CODES)
    entries = str(list(AuditEntry.objects.values("action", "target", "fields")))
    assert "second_factor_added" in entries and "recovery_codes_made" in entries
    assert app.secret not in entries and codes[0] not in entries
    assert recovery.use(operator, codes[0])


def test_a_wrong_code_keeps_the_secret_that_was_scanned(console: Client) -> None:
    token, app = setup_of(shown(console, APP))
    _, same = setup_of(html_of.unescape(console.post(APP, {"setup": token, "code": "1"}).content.decode()))
    assert same.secret == app.secret


@pytest.mark.slow
def test_a_secret_that_the_page_did_not_make_for_this_operator_is_refused(
    console: Client, operator: User, other_staff: User
) -> None:
    other = Client()
    other.force_login(other_staff)
    token, app = setup_of(shown(other, APP))
    for given in (token, "", app.secret):
        console.post(APP, {"setup": given, "code": app.now()})
    assert not factors.has_any(operator)


def test_an_app_is_removed_and_its_codes_count_no_longer(console: Client, operator: User) -> None:
    app = with_app(operator)
    assert "Set up" in shown(console, PAGE)
    assert "Remove the app" in shown(console, f"{APP}remove/")
    assert factors.has_any(operator)
    console.post(f"{APP}remove/")
    assert not factors.answer(operator, app.now()).right
    assert AuditEntry.objects.get().action == "operator.second_factor_removed"


def test_new_recovery_codes_are_for_those_with_a_second_factor(console: Client, operator: User) -> None:
    console.post(CODES)
    assert not RecoveryCode.objects.exists()
    with_app(operator)
    old = recovery.make(operator)
    assert "Make new codes" in shown(console, CODES)
    console.post(CODES)
    assert factors.of(operator).codes_left == 10 and not recovery.use(operator, old[0])


@pytest.mark.parametrize("path", [APP, f"{APP}remove/", CODES])
def test_long_after_the_sign_in_the_password_is_asked_for_again(
    console: Client, operator: User, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path != APP:
        with_app(operator)
    later = time.time() + reproof.FRESH
    monkeypatch.setattr("time.time", lambda: later)
    before = factors.of(operator)
    for send in (console.get, console.post):
        assert send(path)["Location"] == f"{AGAIN}?next={path.replace('/', '%2F')}"
    assert factors.of(operator) == before
    answer = console.post(f"{AGAIN}?next={path}", {"password": "wrong"})
    assert "This is not your password." in answer.content.decode()
    assert console.get(path).status_code == 302
    assert console.post(f"{AGAIN}?next={path}", {"password": "operator-pass"})["Location"] == path
    assert console.get(path).status_code == 200


@pytest.mark.slow
def test_the_password_again_leads_to_no_other_site_and_counts_failures(console: Client) -> None:
    right = {"password": "operator-pass"}
    assert console.post(f"{AGAIN}?next=https://elsewhere.example/", right)["Location"] == PAGE
    answers = [console.post(AGAIN, {"password": "wrong"}).status_code for _ in range(10)]
    assert answers == [200] * 9 + [429]
    assert AuditEntry.objects.filter(action="operator.sign_in_failed").exists()


# --- where everybody needs one


def test_who_has_none_is_led_to_set_one_up_at_the_next_sign_in(client: Client, other_staff: User) -> None:
    policy.require(True)
    enter(client, "other", "other-pass")
    for path in ("", "account/", "tables/", "password_change/", "mail-relay/"):
        assert client.get(f"/admin/{path}")["Location"] == NEEDED, path
    api = APIClient()
    api.cookies = client.cookies
    told = api.get("/api/")
    assert told.status_code == 403 and "set up a second factor" in told.json()["message"]
    token, app = setup_of(shown(client, NEEDED))
    assert (
        len(
            re.findall(
                "[a-z2-9]{4}-", client.post(NEEDED, {"setup": token, "code": app.now()}).content.decode()
            )
        )
        > 10
    )
    assert is_in(client)
    assert client.get(NEEDED)["Location"] == "/admin/"


def test_who_has_one_is_asked_nothing_more(client: Client, other_staff: User) -> None:
    policy.require(True)
    app = with_app(other_staff)
    enter(client, "other", "other-pass")
    client.post("/admin/second-step/", {"code": app.now()})
    assert is_in(client)


def test_requiring_one_is_recorded_once(operator: User) -> None:
    for _ in range(2):
        policy.require(True)
    assert policy.required()
    assert AuditEntry.objects.get().fields == ["second_factor_required"]
    policy.require(False)
    assert not policy.required()


def test_a_first_password_comes_before_a_second_factor(client: Client, other_staff: User) -> None:
    policy.require(True)
    Operator.objects.create(user=other_staff, must_change_password=True)
    enter(client, "other", "other-pass")
    assert client.get("/admin/account/")["Location"] == "/admin/first-sign-in/"
    chosen = {
        "new_password1": "a-long-one-of-my-own-42",
        "new_password2": "a-long-one-of-my-own-42",
        "email": "o@example.com",
    }
    client.post("/admin/first-sign-in/", chosen)
    assert client.get("/admin/account/")["Location"] == NEEDED
