"""API keys in the console: made and shown once, listed without a secret, revoked."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from quazzar.access import apikeys
from quazzar.access.sessions import SessionStore
from quazzar.models import ApiKey, AuditEntry, Session
from tests.markup import html

LIST = "/admin/quazzar/apikey/"
KEY = re.compile(r"qzr_[0-9A-Za-z]{46}")


@pytest.fixture
def console(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def make(
    console: Client, name: str = "Grafana", scopes: tuple[str, ...] = ("mail:send",), days: str = "30"
) -> Any:
    return console.post(f"{LIST}add/", {"name": name, "scopes": scopes, "expires": days})


def grant(user: User, *codenames: str) -> None:
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))


def test_a_new_key_is_shown_and_works(console: Client, operator: User) -> None:
    (text,) = set(KEY.findall(html(make(console))))
    row = apikeys.verify(text)
    assert (row.name, row.user, row.scopes) == ("Grafana", operator, ["mail:send"])
    assert row.expires_at is not None


def test_the_key_is_shown_once_and_kept_nowhere(console: Client) -> None:
    answer = make(console)
    (text,) = set(KEY.findall(html(answer)))
    assert "no-store" in answer["Cache-Control"]
    key = ApiKey.objects.get()
    for page in (LIST, f"{LIST}{key.pk}/change/", "/admin/quazzar/auditentry/"):
        assert text not in html(console.get(page))
    assert not any(text in str(SessionStore().decode(row.session_data)) for row in Session.objects.all())
    assert text not in str(console.cookies)


@pytest.mark.slow
def test_neither_list_nor_detail_shows_the_digest(console: Client) -> None:
    make(console)
    key = ApiKey.objects.get()
    for page in (LIST, f"{LIST}{key.pk}/change/"):
        assert key.digest not in html(console.get(page))
        assert key.prefix in html(console.get(page))


def test_a_key_needs_a_scope(console: Client) -> None:
    make(console, scopes=())
    assert not ApiKey.objects.exists()


def test_a_key_can_be_made_to_last(console: Client) -> None:
    make(console, days="")
    assert ApiKey.objects.get().expires_at is None


def test_a_revoked_key_ends_at_once_and_is_in_the_audit_log(console: Client) -> None:
    (text,) = set(KEY.findall(html(make(console))))
    console.post(f"{LIST}{ApiKey.objects.get().pk}/revoke/")
    with pytest.raises(apikeys.KeyRefused):
        apikeys.verify(text)
    assert set(AuditEntry.objects.values_list("action", flat=True)) == {
        "apikey.created",
        "apikey.revoked",
        "apikey.refused",
    }


def test_several_keys_are_revoked_by_the_action(console: Client) -> None:
    make(console)
    make(console)
    chosen = list(ApiKey.objects.values_list("pk", flat=True))
    page = html(console.post(LIST, {"action": "revoke_selected", "_selected_action": chosen}, follow=True))
    assert "2 API keys were revoked." in page
    assert not ApiKey.objects.filter(revoked_at=None).exists()


def test_reading_never_revokes(console: Client) -> None:
    make(console)
    key = ApiKey.objects.get()
    assert console.get(f"{LIST}{key.pk}/revoke/").status_code == 405
    assert ApiKey.objects.get().revoked_at is None


def test_staff_see_make_and_revoke_only_their_own(client: Client, operator: User, other_staff: User) -> None:
    theirs, _ = apikeys.mint(operator, "the operator's")
    grant(other_staff, "view_apikey", "add_apikey", "change_apikey", "add_message")
    client.force_login(other_staff)
    make(client, name="mine")
    assert ApiKey.objects.get(name="mine").user == other_staff
    assert "the operator" not in html(client.get(LIST))
    assert client.post(f"{LIST}{theirs.pk}/revoke/").status_code == 404


@pytest.mark.slow
def test_the_form_offers_no_more_than_its_maker_has_and_takes_no_more(
    client: Client, other_staff: User
) -> None:
    client.force_login(other_staff)
    own = ("view_apikey", "add_apikey")
    for codename, offered in {
        "add_message": {"mail:send"},
        "view_mailbox": {"mail:read"},
        "change_alias": {"mail:read", "mail:write"},
        "view_auditentry": {"mail:read"},
        "manage_operator": set(),
    }.items():
        grant(other_staff, *own, codename)
        page = html(client.get(f"{LIST}add/"))
        assert {scope for scope in ApiKey.Scope.values if f'value="{scope}"' in page} == offered, codename
        for scope in ApiKey.Scope.values:
            make(client, name=f"{codename} {scope}", scopes=(scope,))
            assert ApiKey.objects.filter(name=f"{codename} {scope}").exists() == (scope in offered)


def test_who_manages_operators_revokes_their_keys_but_no_superusers(
    client: Client, operator: User, other_staff: User, outsider: User
) -> None:
    grant(other_staff, "view_apikey", "change_apikey", "manage_operator")
    theirs, _ = apikeys.mint(outsider, "ordinary")
    highest, _ = apikeys.mint(operator, "highest")
    client.force_login(other_staff)
    assert "ordinary" in html(client.get(LIST)) and "highest" not in html(client.get(LIST))
    assert client.post(f"{LIST}{theirs.pk}/revoke/").status_code == 302
    assert client.post(f"{LIST}{highest.pk}/revoke/").status_code == 404


def test_staff_who_may_only_look_make_and_revoke_nothing(client: Client, other_staff: User) -> None:
    mine, _ = apikeys.mint(other_staff, "mine")
    grant(other_staff, "view_apikey")
    client.force_login(other_staff)
    assert "mine" in html(client.get(LIST))
    assert make(client).status_code == 403
    assert client.post(f"{LIST}{mine.pk}/revoke/").status_code == 403
    assert ApiKey.objects.get().revoked_at is None


def test_the_number_of_queries_does_not_grow(
    console: Client, operator: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        apikeys.mint(operator, f"key {number}")
    with django_assert_max_num_queries(6):
        console.get(LIST)
