"""/api/billing/upgrade: the plan of the node, and a licence for another."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from quazzar.plans import licenses
from tests.conftest import signed

PATH = "/api/billing/upgrade"


def test_it_says_which_plan_is_in_force_and_which_there_are(api: APIClient, plan: Any) -> None:
    plan("business")
    body = api.get(PATH).json()
    assert body.keys() == {"current_plan", "plans", "expires_at", "problem"}
    assert (body["current_plan"], body["problem"]) == ("business", "")
    assert body["expires_at"].endswith("Z")
    assert body["plans"][1] == {"id": "pro", "name": "Orbit Pro", "rank": 1, "features": ["orbit_mail"]}
    assert [each["id"] for each in body["plans"]] == ["community", "pro", "business", "enterprise"]


def test_without_a_licence_it_says_why(api: APIClient, settings: Any, tmp_path: Any) -> None:
    settings.QUAZZAR_LICENSE_FILE = tmp_path / "none"
    body = api.get(PATH).json()
    assert (body["current_plan"], body["expires_at"]) == ("community", None)
    assert "No licence is installed" in body["problem"]


def test_a_licence_opens_what_answered_402(api: APIClient, plan: Any) -> None:
    plan("community")
    assert api.get("/api/mail/nothing").status_code == 402
    response = api.post(PATH, {"license": signed("pro")})
    assert response.status_code == 200
    assert response.json() == api.get(PATH).json()
    assert response.json()["current_plan"] == "pro"
    assert api.get("/api/mail/nothing").status_code == 404


@pytest.mark.parametrize("license", [signed, lambda _: "nonsense", lambda _: "", lambda _: 1, lambda _: None])
def test_a_licence_that_does_not_count_is_a_validation_error(api: APIClient, plan: Any, license: Any) -> None:
    plan("business")
    response = api.post(PATH, {"license": license("galactic")})
    assert response.status_code == 400
    assert response.json()["error"] == "validation_error"
    assert list(response.json()["fields"]) == ["license"]
    assert licenses.read().plan.id == "business"


def test_an_expired_licence_says_so(api: APIClient, plan: Any) -> None:
    response = api.post(PATH, {"license": signed("pro", seconds=-1)})
    assert "expired" in response.json()["fields"]["license"][0]


@pytest.mark.parametrize(("body", "field"), [({}, "license"), ({"license": "x", "plan": "pro"}, "plan")])
def test_the_body_has_one_field(api: APIClient, body: Any, field: str) -> None:
    response = api.post(PATH, body)
    assert response.status_code == 400
    assert field in response.json()["fields"]


def test_it_is_open_on_every_plan_and_to_staff_only(
    client_with: Any, plan: Any, other_staff: Any, outsider: Any, client: Client
) -> None:
    plan("community")
    assert client.get(PATH).status_code == 401
    assert client_with(outsider).get(PATH).status_code == 403
    assert client_with(other_staff).get(PATH).status_code == 200


@pytest.mark.parametrize(
    ("scope", "read", "write"), [("mail:read", 200, 403), ("mail:write", 403, 200), ("mail:send", 403, 403)]
)
def test_a_key_needs_the_scope(
    client_with: Any, operator: Any, plan: Any, scope: str, read: int, write: int
) -> None:
    client = client_with(operator, scope)
    assert client.get(PATH).status_code == read
    assert client.post(PATH, {"license": signed("pro")}).status_code == write


def test_a_session_needs_the_csrf_token(operator: Any, plan: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    body = {"license": signed("enterprise")}
    refused = client.post(PATH, body, content_type="application/json")
    assert (refused.status_code, refused.json()["error"]) == (403, "permission_denied")
    client.cookies["csrftoken"] = "x" * 32
    headers = {"x-csrftoken": "x" * 32}
    assert client.post(PATH, body, content_type="application/json", headers=headers).status_code == 200
