"""What an entry holds: who by id, from where, before and after; and no entry where nothing changed."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from mailrelay.models import RelaySettings
from mailrelay.relay import settings as relaysettings
from quazzar.models import ApiKey, AuditEntry
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db


def newest() -> AuditEntry:
    entry = AuditEntry.objects.order_by("-id").first()
    assert entry is not None
    return entry


def test_a_change_by_key_has_the_key_its_operator_and_the_clients_address(
    api: APIClient, operator: User, relay: RelaySettings
) -> None:
    api.patch("/api/mail/relay", {"port": 587, "host": "mx.lab.test"}, REMOTE_ADDR="203.0.113.9")
    entry = newest()
    assert (entry.actor, entry.user_id, entry.key_id) == (
        "key:test (operator)",
        operator.pk,
        ApiKey.objects.get().pk,
    )
    assert entry.address == "203.0.113.9"
    assert entry.changes == {"host": ["relay.example", "mx.lab.test"], "port": [2525, 587]}


@pytest.mark.parametrize(("proxies", "address"), [("10.0.0.0/8", "198.51.100.4"), ("", "10.1.1.1")])
def test_the_address_is_the_clients_only_behind_a_trusted_proxy(
    api: APIClient, relay: RelaySettings, settings: Any, proxies: str, address: str
) -> None:
    from ipaddress import ip_network

    settings.QUAZZAR_TRUSTED_PROXIES = [ip_network(proxies)] if proxies else []
    api.patch("/api/mail/relay", {"port": 587}, REMOTE_ADDR="10.1.1.1", HTTP_X_FORWARDED_FOR="198.51.100.4")
    assert newest().address == address


def test_no_secret_is_stored_neither_before_nor_after(api: APIClient, relay: RelaySettings) -> None:
    secrets = {"username": "token-7431", "password": "geheim-7431"}
    api.patch("/api/mail/relay", {**secrets, "host": "mx.lab.test"})
    entry = newest()
    assert {"host", "password", "username"} <= set(entry.fields)
    assert "7431" not in str(vars(entry))


def test_a_save_that_changes_nothing_leaves_no_entry(api: APIClient, relay: RelaySettings) -> None:
    mailbox, alias = factories.mailbox(password_hash="x"), factories.alias()
    before = AuditEntry.objects.count()
    for path, body in (
        ("/api/mail/relay", {"port": relay.port}),
        (f"/api/mail/mailboxes/{mailbox.pk}", {"display_name": mailbox.display_name}),
        (f"/api/mail/aliases/{alias.pk}", {"enabled": alias.enabled}),
        (f"/api/mail/domains/{alias.domain_id}", {"catch_all": None}),
        (f"/api/mail/domains/{alias.domain_id}", {"catch_all": ""}),
    ):
        assert api.patch(path, body).status_code == 200, path
    assert AuditEntry.objects.count() == before
    api.patch(f"/api/mail/mailboxes/{mailbox.pk}", {"display_name": "Anna"})
    assert newest().changes == {"display_name": [mailbox.display_name, "Anna"]}


def test_removing_a_relay_that_is_not_there_leaves_no_entry(relay: RelaySettings) -> None:
    relaysettings.clear()
    relaysettings.clear()
    assert [*AuditEntry.objects.values_list("action", flat=True)] == ["relay.removed"]


def test_outside_of_a_request_there_is_no_address(
    client: Client, operator: User, relay: RelaySettings
) -> None:
    client.post(
        "/admin/login/", {"username": "operator", "password": "operator-pass"}, REMOTE_ADDR="203.0.113.5"
    )
    assert newest().address == "203.0.113.5"
    relaysettings.clear()
    assert newest().address == ""
