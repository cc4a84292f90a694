"""GET /api/mail/audit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from rest_framework.test import APIClient

from mailrelay.models import RelaySettings
from quazzar.models import AuditEntry
from tests.contract.answers import error, is_time, ok, wrong

AUDIT = "/api/mail/audit"
pytestmark = pytest.mark.django_db


def fill(number: int, **fields: Any) -> None:
    rows = (
        {"actor": "user:anna", "action": "alias.added", "target": f"a{n}@lab.test", **fields}
        for n in range(number)
    )
    AuditEntry.objects.bulk_create(AuditEntry(**row) for row in rows)


def test_an_entry_says_who_did_what_from_where_and_before_and_after(
    api: APIClient, relay: RelaySettings
) -> None:
    api.patch("/api/mail/relay", {"host": "mx.lab.test", "password": "geheim", "username": "u"})
    (entry,) = ok(api.get(AUDIT, {"action": "relay.changed"}))["results"]
    assert is_time(entry.pop("at"))
    assert entry == {
        "id": AuditEntry.objects.get(action="relay.changed").pk,
        "who": "API key test",
        "sentence": "API key test changed the relay settings: host, password, username.",
        "address": "127.0.0.1",
        "actor": "key:test (operator)",
        "action": "relay.changed",
        "target": "relay settings",
        "fields": ["host", "password", "username"],
        "changes": {"host": ["relay.example", "mx.lab.test"]},
    }


def test_following_next_shows_every_entry_once_the_newest_first(api: APIClient) -> None:
    fill(23)
    seen, url = [], f"{AUDIT}?page_size=10&action=alias.added"
    while url:
        answer = ok(api.get(url))
        assert answer.keys() == {"next", "results"}
        seen += [entry["target"] for entry in answer["results"]]
        url = answer["next"]
    assert seen == [f"a{n}@lab.test" for n in reversed(range(23))]


def test_filters_find_and_leave_out(api: APIClient) -> None:
    fill(1, target="mine", actor="user:bob", address="203.0.113.7")
    fill(1, target="other")
    for name, value, unfit in (
        ("actor", "user:bob", "user:eve"),
        ("action", "alias", "relay"),
        ("address", "203.0.113.7", "203.0.113.8"),
        ("since", "2020-01-01T00:00:00Z", "2120-01-01T00:00:00Z"),
        ("until", "2120-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("search", "mine", "yours"),
    ):
        assert "mine" in [row["target"] for row in ok(api.get(AUDIT, {name: value}))["results"]], name
        assert ok(api.get(AUDIT, {name: unfit}))["results"] == [], name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("since", "yesterday"),
        ("address", "here"),
        ("page_size", "501"),
        ("before", "0"),
        ("page", "2"),
        ("x", "1"),
    ],
)
def test_what_makes_no_sense_is_400(api: APIClient, name: str, value: str) -> None:
    assert name in wrong(api.get(AUDIT, {name: value}))


def test_only_who_may_see_the_audit_log_reads_it(
    other_staff: User, client_with: Callable[..., APIClient], operator: User, plan: Callable[[str], None]
) -> None:
    reader = client_with(other_staff, "mail:read")
    error(reader.get(AUDIT), 403, "permission_denied")
    other_staff.user_permissions.add(Permission.objects.get(codename="view_auditentry"))
    ok(reader.get(AUDIT))
    error(client_with(operator, "mail:send").get(AUDIT), 403, "permission_denied")
    error(reader.post(AUDIT, {}), 405, "method_not_allowed")
    error(reader.delete(AUDIT), 405, "method_not_allowed")
    plan("community")
    assert reader.get(AUDIT).status_code == 402
