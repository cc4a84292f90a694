"""401, 402, 403, 404, 405, then 400, 409 and 415, at every operation of the stack and what lives in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from mailboxes.engine import connect
from mailboxes.models import Domain, Mailbox, Stack
from quazzar.plans.entitlements import upgrade_required_body
from tests.contract.answers import ALIASES, DOMAINS, MAILBOXES, STACK, error
from tests.contract.test_schema import OPERATIONS
from tests.fakes import FakeEngine

OURS = sorted(
    (path.replace("{id}", "1"), method)
    for path, method in OPERATIONS
    if path.startswith((STACK, DOMAINS, MAILBOXES, ALIASES))
)
WRITES = [(path, method) for path, method in OURS if method != "get"]
READS = [(path, method) for path, method in OURS if method == "get"]
WITHOUT_BODY = ("/repair", "/restore", "/dns/check", "/dns/ed25519", "/dns/rotation")
WITH_BODY = [each for each in WRITES if each[1] != "delete" and not each[0].endswith(WITHOUT_BODY)]
#: Bodies of every kind, for what must be said before they are looked at.
BODIES = [(b"{", "application/json"), (b'{"nope": 1}', "application/json"), (b"x", "text/plain"), (b"", "")]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Docker is asked."""
    monkeypatch.setattr(connect, "to_docker", lambda *_: FakeEngine())


def send(client: Any, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> Any:
    return client.generic(method.upper(), path, body, content_type=kind)


def test_there_is_something_to_look_at() -> None:
    assert len(WRITES) + len(READS) == len(OURS) > 40


@pytest.mark.parametrize(("path", "method"), OURS)
def test_anonymous_is_401_on_any_plan(
    client: Client, plan: Callable[[str], None], path: str, method: str
) -> None:
    for name in ("community", "pro"):
        plan(name)
        for body, kind in BODIES:
            response = send(client, method, path, body, kind)
            error(response, 401, "not_authenticated")
            assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("path", "method"), OURS)
def test_the_plan_is_402_before_all_else(
    outsider: User, client_with: Callable[..., APIClient], plan: Callable[[str], None], path: str, method: str
) -> None:
    client = client_with(outsider, "mail:send")
    plan("community")
    for body, kind in BODIES:
        response = send(client, method, path, body, kind)
        assert (response.status_code, response.json()) == (402, upgrade_required_body("orbit_mail"))


@pytest.mark.parametrize(("path", "method"), OURS)
def test_who_is_no_staff_is_403_before_404_and_400(
    outsider: User, client_with: Callable[..., APIClient], path: str, method: str
) -> None:
    for body, kind in BODIES:
        error(send(client_with(outsider), method, path, body, kind), 403, "permission_denied")


@pytest.mark.parametrize(("path", "method"), WRITES)
def test_a_write_needs_the_scope_for_writing(
    other_staff: User, client_with: Callable[..., APIClient], path: str, method: str
) -> None:
    for body, kind in BODIES:
        response = send(client_with(other_staff, "mail:read", "mail:send"), method, path, body, kind)
        assert "mail:write" in error(response, 403, "permission_denied")["message"]
    assert send(client_with(other_staff, "mail:write"), method, path).status_code not in {401, 402, 403, 405}


@pytest.mark.parametrize(("path", "method"), READS)
def test_a_read_needs_the_scope_for_reading(
    other_staff: User, client_with: Callable[..., APIClient], path: str, method: str
) -> None:
    response = client_with(other_staff, "mail:write", "mail:send").get(path)
    assert "mail:read" in error(response, 403, "permission_denied")["message"]
    assert client_with(other_staff, "mail:read").get(path).status_code in {200, 404}


@pytest.mark.parametrize(("path", "method"), WRITES)
def test_a_session_writes_with_a_csrf_token_only(operator: User, path: str, method: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    error(send(client, method, path), 403, "permission_denied")
    client.cookies["csrftoken"] = "x" * 32
    with_token = client.generic(
        method.upper(), path, b"", "application/json", headers={"x-csrftoken": "x" * 32}
    )
    assert with_token.status_code not in {401, 402, 403, 405}


@pytest.mark.parametrize("path", sorted({path for path, _ in OURS}))
def test_a_method_that_is_not_there_is_405_before_400(api: APIClient, path: str) -> None:
    there = {method for each, method in OURS if each == path}
    for method in {"get", "post", "put", "patch", "delete"} - there:
        for body, kind in BODIES:
            error(send(api, method, path, body, kind), 405, "method_not_allowed")
    assert there <= {name.lower() for name in api.options(path)["Allow"].split(", ")}


@pytest.mark.parametrize("path", [DOMAINS, MAILBOXES, ALIASES])
@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_what_is_not_there_is_404_before_the_body_is_looked_at(
    api: APIClient, path: str, method: str
) -> None:
    for body, kind in BODIES:
        error(send(api, method, f"{path}/999", body, kind), 404, "not_found")


@pytest.mark.parametrize(("path", "method"), WITH_BODY)
def test_a_body_that_is_no_json_is_415_and_nothing_changes(
    api: APIClient, box: Callable[..., Mailbox], path: str, method: str
) -> None:
    row = box("ada")
    known = {MAILBOXES: row.pk, DOMAINS: row.domain_id}
    path = path if not path.endswith("/1") else f"{path[:-2]}/{known.get(path[:-2], 999)}"
    path = path.replace(f"{DOMAINS}/1/", f"{DOMAINS}/{row.domain_id}/")
    response = send(api, method, path, b"hostname=x", "application/x-www-form-urlencoded")
    assert response.status_code == (404 if path.startswith(ALIASES + "/") else 415)
    assert (Mailbox.objects.count(), Domain.objects.count(), Stack.load().enabled) == (1, 1, False)


@pytest.mark.parametrize(
    "path",
    [
        f"{STACK}/",
        f"{STACK}/nope",
        f"{DOMAINS}/",
        f"{DOMAINS}/x",
        f"{MAILBOXES}/1/nope",
        f"{MAILBOXES}/import/",
        f"{ALIASES}/1/",
    ],
)
def test_an_unknown_path_is_401_then_402_then_404(
    client: Client, api: APIClient, plan: Callable[[str], None], path: str
) -> None:
    error(client.get(path), 401, "not_authenticated")
    error(api.get(path), 404, "not_found")
    plan("community")
    assert api.post(path).status_code == 402
