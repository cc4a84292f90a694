"""Refusals of signed-in operators and of API keys in the audit log."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from quazzar.access import signins
from quazzar.models import AuditEntry

pytestmark = pytest.mark.django_db


def recorded() -> list[tuple[str, str]]:
    found = AuditEntry.objects.filter(action="operator.refused").order_by("pk")
    return list(found.values_list("actor", "target"))


def test_what_an_operator_may_not_do_is_recorded_once(client: Client, other_staff: User) -> None:
    client.force_login(other_staff)
    for _ in range(3):
        assert client.get("/admin/quazzar/auditentry/").status_code == 403
        assert client.post("/admin/mail-relay/remove/").status_code == 403
    assert client.get("/admin/mail-relay/figures/", headers={"HX-Request": "true"}).status_code == 403
    assert client.get("/api/mail/relay").status_code == 403
    assert recorded() == [
        ("user:other", "GET /admin/quazzar/auditentry/"),
        ("user:other", "POST /admin/mail-relay/remove/"),
        ("user:other", "GET /admin/mail-relay/figures/"),
        ("user:other", "GET /api/mail/relay"),
    ]


def test_what_is_allowed_unknown_or_a_strangers_is_not(client: Client, operator: User) -> None:
    assert client.get("/api/mail/relay").status_code == 401
    client.force_login(operator)
    assert client.get("/admin/mail-relay/").status_code == 200
    assert client.get("/admin/nowhere/").status_code == 404
    assert recorded() == []


def test_a_stale_form_is_no_lack_of_a_right(operator: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    assert client.post("/admin/mail-relay/remove/").status_code == 403
    assert client.delete("/api/mail/relay").status_code == 403
    assert recorded() == []


def test_a_key_without_the_scope_is_recorded_by_its_name(operator: User, client_with: Any) -> None:
    assert client_with(operator, "mail:read").delete("/api/mail/relay").status_code == 403
    assert recorded() == [("key:test (operator)", "DELETE /api/mail/relay")]


@pytest.mark.slow
def test_trying_every_address_does_not_fill_the_log(client: Client, other_staff: User) -> None:
    client.force_login(other_staff)
    for number in range(signins.MOST_REFUSALS + 5):
        assert client.get(f"/admin/mailrelay/message/{number}/change/").status_code == 403
    assert len(recorded()) == signins.MOST_REFUSALS
