"""/api/mail/inboxes and /api/mail/webhooks: where bounces, reports and events come in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from mailrelay.events import settings as webhooks
from mailrelay.inbox import owned
from mailrelay.models import EventSource, Inbox
from tests.contract.answers import error, ok, wrong

pytestmark = pytest.mark.django_db
INBOXES, WEBHOOKS = "/api/mail/inboxes", "/api/mail/webhooks"
NEW: dict[str, Any] = {
    "host": "imap.example.com",
    "username": "bounces@example.com",
    "password": "correct horse",
}
FULL: dict[str, Any] = {
    "owned": False, "host": "imap.example.com", "port": 993, "security": "tls", "username": "bounces@example.com",
    "password": "", "has_password": True, "password_state": "saved", "folder": "INBOX", "after": "seen",
    "processed_folder": "Processed", "enabled": True, "looked_at": None, "read_at": None, "number_read": 0,
    "last_error": None,
}  # fmt: skip
HOOK = {
    "id", "provider", "key", "has_key", "address", "created_at", "last_event_at", "last_event", "refused_at", "refusal",
}  # fmt: skip


@pytest.fixture
def inbox(api: APIClient) -> dict[str, Any]:
    return dict(ok(api.post(INBOXES, NEW), 201))


@pytest.fixture
def own() -> Inbox:
    owned.keep("quazzar@mail.test", host="127.0.0.1", port=993, certificates=["ab"], password="secret")
    row = owned.row()
    assert row is not None
    return row


def test_an_inbox_has_defaults_and_never_shows_its_password(api: APIClient, inbox: dict[str, Any]) -> None:
    assert {name: value for name, value in inbox.items() if name != "id"} == FULL
    assert ok(api.get(f"{INBOXES}/{inbox['id']}")) == inbox
    assert ok(api.get(INBOXES))["results"] == [inbox]


def test_put_goes_back_to_defaults_and_patch_keeps(api: APIClient, inbox: dict[str, Any]) -> None:
    at = f"{INBOXES}/{inbox['id']}"
    assert ok(api.patch(at, {"after": "leave", "enabled": False})) == inbox | {
        "after": "leave",
        "enabled": False,
    }
    assert ok(api.put(at, {**inbox, "after": "move"})) == inbox | {"after": "move"}
    assert ok(api.put(at, {"host": NEW["host"], "username": NEW["username"]})) == inbox


def test_the_password_belongs_to_its_server(api: APIClient, inbox: dict[str, Any]) -> None:
    at = f"{INBOXES}/{inbox['id']}"
    assert wrong(api.patch(at, {"host": "evil.example.net"})).keys() == {"password"}
    moved = ok(api.patch(at, {"host": "imap.example.net", "password": "another one"}))
    assert (moved["host"], moved["password"]) == ("imap.example.net", "")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"host": "no host!"}, "host"), ({"port": 0}, "port"), ({"port": "x"}, "port"), ({"security": "ssl"}, "security"),
        ({"security": "none"}, "security"), ({"username": ""}, "username"), ({"after": "burn"}, "after"),
        ({"after": "move", "processed_folder": ""}, "processed_folder"), ({"password": ""}, "password"),
        ({"surprise": 1}, "surprise"), ({"enabled": "yes"}, "enabled"), ({"folder": "x" * 201}, "folder"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(api: APIClient, change: dict[str, Any], field: str) -> None:
    assert wrong(api.post(INBOXES, {**NEW, **change})).keys() == {field}
    assert not Inbox.objects.exists()


def test_quazzars_own_is_marked_and_cannot_be_changed_or_removed(api: APIClient, own: Inbox) -> None:
    at = f"{INBOXES}/{own.pk}"
    (shown,) = ok(api.get(INBOXES, {"owned": "true"}))["results"]
    assert (shown["owned"], shown["username"], shown["password"]) == (True, "quazzar@mail.test", "")
    error(api.patch(at, {"password": "mine now"}), 409, "owned_inbox")
    error(api.patch(at, {"enabled": False}), 409, "owned_inbox")
    error(api.delete(at), 409, "owned_inbox")
    own.refresh_from_db()
    assert own.enabled and own.password is not None and own.password.reveal() == "secret"


def test_a_look_says_why_it_failed(api: APIClient) -> None:
    body = {**NEW, "host": "127.0.0.1", "port": 1, "security": "none"}
    made = ok(api.post(INBOXES, body), 201)
    looked = ok(api.post(f"{INBOXES}/{made['id']}/look"))
    assert looked["last_error"].keys() == {"message", "hint", "since"}
    assert "Nothing listens at 127.0.0.1" in looked["last_error"]["message"]


def test_what_is_removed_is_gone(api: APIClient, inbox: dict[str, Any]) -> None:
    assert api.delete(f"{INBOXES}/{inbox['id']}").status_code == 204
    error(api.get(f"{INBOXES}/{inbox['id']}"), 404, "not_found")


# --- webhooks ----------------------------------------------------------------------------------------------
def test_a_webhook_has_an_address_and_never_shows_its_key(api: APIClient) -> None:
    made = ok(api.post(WEBHOOKS, {"provider": "mailgun", "key": "key-1"}), 201)
    assert made.keys() == HOOK
    assert (made["key"], made["has_key"]) == ("", True)
    token = made["address"].rpartition("/api/mail/events/mailgun/")[2]
    assert webhooks.find("mailgun", token) is not None
    assert ok(api.get(f"{WEBHOOKS}/{made['id']}")) == made
    error(api.post(WEBHOOKS, {"provider": "mailgun", "key": "key-2"}), 409, "already_exists")


def test_another_address_ends_the_old_one(api: APIClient) -> None:
    made = ok(api.post(WEBHOOKS, {"provider": "postmark"}), 201)
    renewed = ok(api.post(f"{WEBHOOKS}/{made['id']}/renew"))
    assert renewed["address"] != made["address"]
    assert webhooks.find("postmark", made["address"].rpartition("/")[2]) is None


def test_the_key_is_kept_replaced_or_removed_where_it_is_optional(api: APIClient) -> None:
    mailgun = ok(api.post(WEBHOOKS, {"provider": "mailgun", "key": "key-1"}), 201)
    postmark = ok(api.post(WEBHOOKS, {"provider": "postmark", "key": "one"}), 201)
    ok(api.patch(f"{WEBHOOKS}/{mailgun['id']}", {"key": ""}))
    ok(api.put(f"{WEBHOOKS}/{postmark['id']}", {"provider": "postmark", "key": "two"}))
    kept, replaced = (
        EventSource.objects.get(provider="mailgun").key,
        EventSource.objects.get(provider="postmark").key,
    )
    assert kept is not None and replaced is not None
    assert (kept.reveal(), replaced.reveal()) == ("key-1", "two")
    assert wrong(api.patch(f"{WEBHOOKS}/{mailgun['id']}", {"key": None})).keys() == {"key"}
    assert ok(api.patch(f"{WEBHOOKS}/{postmark['id']}", {"key": None}))["has_key"] is False


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "provider"), ({"provider": "gmail"}, "provider"), ({"provider": "mailgun"}, "key"), ({"provider": "ses", "x": 1}, "x")],
)  # fmt: skip
def test_a_webhook_that_cannot_be_is_refused(api: APIClient, body: dict[str, Any], field: str) -> None:
    assert wrong(api.post(WEBHOOKS, body)).keys() == {field}


def test_the_provider_cannot_be_changed_and_a_removed_webhook_is_gone(api: APIClient) -> None:
    made = ok(api.post(WEBHOOKS, {"provider": "postmark"}), 201)
    at = f"{WEBHOOKS}/{made['id']}"
    assert wrong(api.patch(at, {"provider": "ses"})).keys() == {"provider"}
    assert api.delete(at).status_code == 204
    error(api.get(at), 404, "not_found")


def test_only_who_may_change_the_relay_learns_the_address(
    api: APIClient, operator: User, client_with: Callable[..., APIClient]
) -> None:
    made = ok(api.post(WEBHOOKS, {"provider": "postmark"}), 201)
    reader = client_with(operator, "mail:read")
    assert ok(reader.get(f"{WEBHOOKS}/{made['id']}")) == made | {"address": ""}
