"""Sessions: what the database holds signs nobody in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from quazzar.access.sessions import SessionStore
from quazzar.models import Session

pytestmark = pytest.mark.django_db
COOKIE = "quazzar_session"


@pytest.fixture
def signed_in(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


def opens_the_console(client: Client) -> bool:
    return client.get("/admin/mail-relay/").status_code == 200


def test_the_cookie_opens_the_console_and_is_not_in_the_database(signed_in: Client) -> None:
    assert opens_the_console(signed_in)
    rows = Session.objects.values_list("session_key", "session_data")
    assert len(rows) == 1
    assert not any(signed_in.cookies[COOKIE].value in str(row) for row in rows)


def test_what_the_database_holds_opens_nothing(signed_in: Client) -> None:
    thief = Client()
    thief.cookies[COOKIE] = Session.objects.get().session_key
    assert not opens_the_console(thief)
    assert opens_the_console(signed_in)


def test_signing_out_ends_the_session(signed_in: Client) -> None:
    cookie = signed_in.cookies[COOKIE].value
    signed_in.post("/admin/logout/")
    assert not Session.objects.exists()
    signed_in.cookies[COOKIE] = cookie
    assert not opens_the_console(signed_in)


def test_a_session_that_has_expired_opens_nothing(signed_in: Client) -> None:
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert not opens_the_console(signed_in)


def test_a_session_keeps_its_data_through_a_new_key() -> None:
    store = SessionStore()
    store["colour"] = "indigo"
    store.create()
    store["colour"] = "indigo"
    store.save()
    old = store.session_key
    store.cycle_key()
    assert old is not None and store.session_key not in (None, old)
    assert SessionStore(store.session_key)["colour"] == "indigo"
    assert not SessionStore().exists(old)
    assert Session.objects.count() == 1


def test_deleting_a_session_that_is_not_there_is_no_error() -> None:
    SessionStore().delete()
    SessionStore().delete("0" * 32)
