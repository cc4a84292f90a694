"""Passkeys in the console: added and removed on the account, as second step, and in place of name and password."""

from __future__ import annotations

import html as html_of
import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from quazzar.access.secondfactor import factors, policy
from quazzar.models import AuditEntry, Passkey, Session
from tests.quazzar.access.secondfactor.softkey import SoftKey
from tests.quazzar.console.account.people import STEP, enter, is_in, with_app

pytestmark = pytest.mark.django_db
ADD, OPTIONS, SHOW = "/admin/account/passkeys/add/", "/admin/passkey/options/", "/admin/passkey/"


@pytest.fixture
def key(operator: User) -> SoftKey:
    """A passkey of the operator."""
    key = SoftKey()
    client = Client()
    client.force_login(operator)
    add(client, key)
    AuditEntry.objects.all()._raw_delete("default")
    return key


def add(client: Client, key: SoftKey, page: str = ADD) -> Any:
    found = re.search(r'data-ceremony="([^"]+)"', client.get(page).content.decode())
    assert found
    begun = json.loads(html_of.unescape(found[1]))
    sent = {"name": "Phone", "response": key.create(begun["options"]), "state": begun["state"]}
    return client.post(page, sent)


def show(client: Client, key: SoftKey, step: str = "") -> Any:
    begun = client.get(OPTIONS + step).json()
    return client.post(SHOW + step, {"response": key.get(begun["options"]), "state": begun["state"]})


def test_the_first_passkey_brings_recovery_codes_and_a_further_one_does_not(
    client: Client, operator: User
) -> None:
    client.force_login(operator)
    assert "Your recovery codes" in add(client, SoftKey()).content.decode()
    assert add(client, SoftKey())["Location"] == "/admin/account/"
    assert len(factors.of(operator).passkeys) == 2
    targets = set(AuditEntry.objects.values_list("action", "target"))
    assert ("operator.second_factor_added", "operator: passkey Phone") in targets


def test_what_the_browser_did_not_make_is_not_stored(client: Client, operator: User) -> None:
    client.force_login(operator)
    page = client.post(ADD, {"name": "x", "response": "{}", "state": "x"}).content.decode()
    assert "too long" in page and not Passkey.objects.exists()


def test_under_an_address_the_page_says_where_passkeys_work(client: Client, operator: User) -> None:
    client.force_login(operator)
    page = client.get(ADD, headers={"host": "127.0.0.1"}).content.decode()
    assert "localhost" in page and "data-ceremony" not in page


@pytest.mark.slow
def test_a_passkey_is_the_second_step(client: Client, operator: User, key: SoftKey) -> None:
    assert enter(client, to="/admin/tables/")["Location"] == STEP
    assert "Use your passkey" in client.get(STEP).content.decode()
    assert show(client, key, "?step")["Location"] == "/admin/tables/"
    assert is_in(client)
    assert [entry.action for entry in AuditEntry.objects.all()] == ["operator.signed_in"]


def test_a_passkey_signs_in_without_a_password(client: Client, operator: User, key: SoftKey) -> None:
    assert "Use a passkey" in client.get("/admin/login/").content.decode()
    assert show(client, key)["Location"] == "/admin/"
    assert is_in(client)


def test_strangers_leave_no_rows(client: Client, db: None) -> None:
    for _ in range(3):
        assert show(client, SoftKey())["Location"] == "/admin/login/"
    assert not is_in(client)
    assert not Session.objects.filter(user__isnull=False).exists() and not Passkey.objects.exists()


def test_anothers_passkey_is_no_second_step(
    client: Client, operator: User, other_staff: User, key: SoftKey
) -> None:
    with_app(other_staff)
    enter(client, "other", "other-pass")
    assert show(client, key, "?step")["Location"] == STEP
    assert not is_in(client)
    assert "operator.second_factor_failed" in AuditEntry.objects.values_list("action", flat=True)


@pytest.mark.slow
def test_too_many_wrong_codes_leave_the_passkey(client: Client, operator: User, key: SoftKey) -> None:
    with_app(operator)
    for number in range(11):
        other = Client(REMOTE_ADDR=f"203.0.113.{number}")
        enter(other)
        other.post(STEP, {"code": "123"})
    enter(client)
    assert "Too many wrong codes" in client.post(STEP, {"code": "123"}).content.decode()
    show(client, key, "?step")
    assert is_in(client)


def test_a_passkey_of_another_name_says_where_it_works(client: Client, operator: User, key: SoftKey) -> None:
    Passkey.objects.update(host="old.example.com")
    enter(client)
    page = client.get(STEP).content.decode()
    assert "old.example.com" in page and "Use your passkey" not in page and "Recovery code" in page


def test_who_may_not_open_the_console_does_not(client: Client, operator: User, key: SoftKey) -> None:
    User.objects.update(is_staff=False)
    assert show(client, key)["Location"] == "/admin/login/"
    assert not is_in(client)


def test_only_ones_own_passkeys_are_removed(
    client: Client, operator: User, other_staff: User, key: SoftKey
) -> None:
    row = Passkey.objects.get()
    client.force_login(other_staff)
    assert client.post(f"/admin/account/passkeys/{row.pk}/remove/").status_code == 404
    client.force_login(operator)
    assert "Remove the passkey" in client.get(f"/admin/account/passkeys/{row.pk}/remove/").content.decode()
    client.post(f"/admin/account/passkeys/{row.pk}/remove/")
    assert not Passkey.objects.exists()


@pytest.mark.slow
def test_where_everybody_needs_a_second_factor_a_passkey_is_one(client: Client, other_staff: User) -> None:
    policy.require(True)
    enter(client, "other", "other-pass")
    assert "Use a passkey instead" in client.get("/admin/second-factor-needed/").content.decode()
    add(client, SoftKey(), "/admin/passkey-needed/")
    assert is_in(client)
    assert client.get("/admin/passkey-needed/")["Location"] == "/admin/"
