"""Parameters in the address: those that are documented, and no others."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from quazzar.models import ApiKey
from tests import rolespage
from tests.quazzar.api.rows import with_rows

CALLS = list(rolespage.calls())


@pytest.mark.slow
def test_an_unknown_parameter_is_400_and_changes_nothing(
    api: APIClient, rows: dict[str, int], subtests: pytest.Subtests
) -> None:
    for path, method, _ in CALLS:
        with subtests.test(f"{method} {path}"):
            address = with_rows(path.replace("{id}", "1"), rows)
            told = api.generic(method, f"{address}?colour=red", "{}", content_type="application/json")
            assert (told.status_code, told.json()["fields"]) == (400, {"colour": ["Unknown parameter."]})
    for path in ("/api/schema", "/api/docs"):
        assert api.get(path, {"colour": "red"}).status_code == 400


def test_who_may_not_is_told_that_first_and_so_is_who_asks_for_what_is_not_there(
    api: APIClient, client_with: Any, operator: Any, client: Any
) -> None:
    query = "?colour=red"
    assert client.get(f"/api/mail/messages{query}").status_code == 401
    assert client_with(operator, "mail:send").get(f"/api/mail/messages{query}").status_code == 403
    assert api.get(f"/api/mail/messages/99{query}").status_code == 404
    assert api.delete(f"/api/mail/alerts{query}").status_code == 405
    assert api.get(f"/api/mail/nothing{query}").status_code == 404


@pytest.mark.slow
def test_what_is_documented_is_taken(api: APIClient, rows: dict[str, int], subtests: pytest.Subtests) -> None:
    values = {"page": "1", "page_size": "5", "search": "a", "ordering": "id", "dry_run": "true", "tail": "5"}
    values |= {"name": "relay", "level": "failed", "q": "a@example.com", "tab": "waiting"}
    values |= {"service": "postfix", "enabled": "true", "domain": "1", "status": "sent", "source": "api"}
    values |= {"state": "late", "kind": "backup", "reason": "manual", "days": "7"}
    values |= {"owned": "true", "provider": "mailgun"}
    values |= {"actor": "user:a", "action": "relay", "address": "::1", "before": "1"}
    values |= dict.fromkeys(("since", "until"), "2026-11-22T00:00:00Z")
    others = {"/api/mail/proofs": {"state": "failed", "way": "relay", "scheduled": "true"}}
    schema = api.get("/api/schema").json()
    seen: set[str] = set()
    for path, operations in schema["paths"].items():
        names = [
            each["name"] for each in operations.get("get", {}).get("parameters", []) if each["in"] == "query"
        ]
        seen |= {*names}
        if path.startswith("/api/mail/") and names:
            with subtests.test(path):
                address = with_rows(path.replace("{id}", "1"), rows)
                fitting = values | others.get(path, {})
                told = api.get(address, {name: fitting[name] for name in names} | {"format": "json"})
                assert told.status_code == 200, told.content
    assert {"search", "ordering", "page", "status", "domain", "tail"} <= seen
    assert api.post("/api/mail/mailboxes/import?dry_run=true", "", content_type="text/csv").status_code == 400
    assert ApiKey.objects.count() == 1
