"""What answers show: to a caller who may change but not read, nothing of what is stored; and no cache keeps them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.fields import DateTimeField
from rest_framework.test import APIClient

from mailboxes.models import Alias, Domain
from mailrelay.models import RelaySettings
from quazzar.access import roles
from quazzar.api.fields import utc
from tests import rolespage
from tests.quazzar.api.rows import with_rows

#: Calls whose answer is the result of the call itself.
RESULTS = {
    "/api/billing/upgrade",
    "/api/mail/relay/test",
    "/api/mail/messages",
    "/api/mail/messages/{id}/retry",
    "/api/mail/messages/{id}/cancel",
    "/api/mail/alerts",
    "/api/mail/backups",
    "/api/mail/mailboxes/import",
    "/api/mail/stack/preflight",
    "/api/mail/stack/controller-password",
    "/api/mail/domains/{id}/dns/publish",
}


def test_a_key_that_may_not_read_is_shown_no_settings(
    relay: RelaySettings, operator: User, client_with: Any
) -> None:
    writer, both = client_with(operator, "mail:write"), client_with(operator, "mail:write", "mail:read")
    for method in (writer.patch, writer.put):
        told = method("/api/mail/relay", {"host": "relay.example", "security": "none", "port": 2525})
        assert (told.status_code, told.json()) == (200, {"configured": True})
    assert both.patch("/api/mail/relay", {}).json()["host"] == "relay.example"


@pytest.mark.slow
def test_no_change_shows_more_than_an_id(
    operator: User, client_with: Any, rows: dict[str, int], subtests: pytest.Subtests
) -> None:
    writer = client_with(operator, "mail:write", "mail:send")
    bodies: dict[str, Any] = {
        "/api/mail/domains": {"name": "new.example"},
        "/api/mail/mailboxes": {"domain": 1, "local_part": "new", "password": "a-long-one-42"},
        "/api/mail/aliases": {"domain": 1, "local_part": "more", "destinations": ["ada@example.com"]},
    }
    seen = 0
    for path, method, _ in sorted(rolespage.calls(), key=lambda call: call[1] == "DELETE"):
        if method in ("POST", "PUT", "PATCH") and path not in RESULTS and not path.endswith("/check"):
            with subtests.test(f"{method} {path}"):
                address = with_rows(path.replace("{id}", "1"), rows)
                told = writer.generic(method, address, *_json(bodies.get(path, {})))
                if told.status_code < 400:
                    seen += 1
                    assert set(told.json()) <= {"id", "configured"}, told.json()
    assert seen >= 10


def _json(body: Any) -> tuple[str, str]:
    import json

    return json.dumps(body), "application/json"


def test_an_operator_who_may_only_add_sees_the_id_alone(other_staff: User, domain_row: Domain) -> None:
    client = APIClient()
    client.force_login(other_staff)
    body = {"domain": domain_row.pk, "local_part": "info", "destinations": ["ops@example.net"]}
    other_staff.user_permissions.set(roles.permissions(["mailboxes.add_alias"]))
    told = client.post("/api/mail/aliases", body)
    assert (told.status_code, told.json()) == (201, {"id": Alias.objects.get().pk})
    other_staff.user_permissions.set(roles.permissions(["mailboxes.add_alias", "mailboxes.view_alias"]))
    client.force_login(User.objects.get(pk=other_staff.pk))
    assert (
        client.post("/api/mail/aliases", body | {"local_part": "more"}).json()["address"]
        == "more@example.com"
    )


def test_the_first_answer_again_shows_no_more_to_a_key_that_may_read_no_longer(
    operator: User, client_with: Any, domain_row: Domain
) -> None:
    from quazzar.models import ApiKey

    client = client_with(operator)
    body = {"domain": domain_row.pk, "local_part": "info", "destinations": ["ops@example.net"]}
    first = client.post("/api/mail/aliases", body, headers={"Idempotency-Key": "k"}).json()
    assert first["address"] == "info@example.com"
    ApiKey.objects.update(scopes=["mail:write"])
    again = client.post("/api/mail/aliases", body, headers={"Idempotency-Key": "k"})
    assert (again.json(), again["Idempotent-Replayed"]) == ({"id": first["id"]}, "true")


@pytest.fixture
def domain_row(db: None) -> Domain:
    return Domain.objects.create(name="example.com")


@pytest.mark.slow
def test_no_answer_may_be_kept_by_a_cache(
    api: APIClient, client: Client, rows: dict[str, int], operator: User, subtests: pytest.Subtests
) -> None:
    paths = [path for path, method, _ in rolespage.calls() if method == "GET"]
    for path in (*paths, "/api/schema", "/api/docs", "/api/nothing", "/api/mail/nothing", "/api/mail/alerts"):
        address = with_rows(path.replace("{id}", "1"), rows)
        for asking in (api, client):
            with subtests.test(path):
                assert "no-store" in asking.get(address).get("Cache-Control", "")
    client.force_login(operator)
    for path in ("/admin/nothing/", "/nothing", "/admin/login/", "/admin/quazzar/apikey/99/change/", "/"):
        assert "no-store" in client.get(path).get("Cache-Control", ""), path
    assert "no-store" in client.get("/admin/", headers={"host": "foreign.example"})["Cache-Control"]


@pytest.mark.parametrize(
    "time", [datetime(2026, 11, 30, 7, 8, 9, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)]
)
def test_a_time_is_written_as_the_framework_writes_it(time: datetime) -> None:
    assert utc(time) == DateTimeField().to_representation(time)
