"""Every route under /api/: behind the gate, and with errors in one shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from mailrelay.models import Message
from quazzar.api.gate.permissions import ANY_PLAN, Entitlement, requirement
from quazzar.api.parsers import StrictJSONParser
from quazzar.models import ApiKey, AuditEntry
from quazzar.plans.entitlements import upgrade_required_body
from tests.quazzar.api.rows import with_rows
from tests.tiers import some

METHODS = ("get", "post", "put", "patch", "delete")
#: Anybody may read these; everything else under /api/ asks who it is.
OPEN = {"/api/schema", "/api/docs"}
#: Behind a sign-in, on any plan.
ON_ANY_PLAN = {"/api/", "/api/billing/upgrade"}
#: Its answer is a stored secret, so a key must be allowed to read as well.
READS_TOO = "/api/mail/stack/controller-password"


def routes(patterns: Any = None, prefix: str = "/") -> Iterator[tuple[str, Any]]:
    """Each route below /api/ as (an address that it matches, its view)."""
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        address = prefix + re.sub(r"<[^>]+>", "1", str(entry.pattern))
        if isinstance(entry, URLResolver):
            yield from routes(entry.url_patterns, address)
        elif isinstance(entry, URLPattern) and address.startswith("/api/"):
            yield address, view_of(entry.callback)


def view_of(callback: Any) -> Any:
    """A view with a handler for each of its methods, as it is for a request."""
    view = callback.cls(**callback.initkwargs)
    view.request, view.action_map = None, getattr(callback, "actions", {})
    for method, handler in (getattr(callback, "actions", None) or {}).items():
        setattr(view, method, getattr(view, handler))
    return view


ROUTES = [
    (address, view) for address, view in routes() if "^" not in address and getattr(view, "is_endpoint", True)
]
MAIL = [(address, view) for address, view in ROUTES if address.startswith("/api/mail/")]
CALLS = [(address, method, view) for address, view in ROUTES for method in METHODS if hasattr(view, method)]
ASKING = [call for call in CALLS if call[0] not in OPEN]


def is_error(response: Any) -> bool:
    """Whether the body is an error in the one shape."""
    body = response.json()
    keys = {"error", "message"} | ({"fields"} if body["error"] == "validation_error" else set())
    return response["Content-Type"] == "application/json" and body.keys() == keys and bool(body["message"])


def test_there_are_routes_to_walk() -> None:
    assert len(MAIL) >= 35 and len(CALLS) >= 60
    assert {address for address, _ in ROUTES} >= OPEN | ON_ANY_PLAN


def test_every_route_declares_what_it_needs(subtests: pytest.Subtests) -> None:
    for address, view in ROUTES:
        with subtests.test(address):
            if address in OPEN:
                assert not [method for method in METHODS[1:] if hasattr(view, method)]
            else:
                feature = getattr(view, "feature", "orbit_mail")
                assert view.permission_classes == [Entitlement]
                assert feature == (ANY_PLAN if address in ON_ANY_PLAN else "orbit_mail")
    for address, method, view in CALLS:
        with subtests.test(f"{method} {address}"):
            if address not in OPEN:
                scope, needed = requirement(view, method.upper())
                assert scope in ApiKey.Scope.values and len(needed) == 1


# --- the order: 401, 402, 403, 405, 404, 415, 400 ------------------------------------------------------------
#: Bodies of every kind, for answers that must come before the body is read.
BODIES = [(b"{", "application/json"), (b'{"nope": 1}', "application/json"), (b"x", "text/plain"), (b"", "")]


def send(client: Any, method: str, address: str, body: bytes = b"", kind: str = "application/json") -> Any:
    return client.generic(method.upper(), address, body, content_type=kind)


@pytest.mark.slow
@pytest.mark.long
def test_strangers_are_401_on_any_plan(
    client: Client, plan: Any, db: None, subtests: pytest.Subtests
) -> None:
    for name in ("community", "pro"):
        plan(name)
        for address, method, _ in some(ASKING, 3):
            with subtests.test(f"{name} {method} {address}"):
                for body, kind in BODIES:
                    response = send(client, method, address, body, kind)
                    assert response.status_code == 401 and is_error(response)
                    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.slow
@pytest.mark.long
def test_the_plan_is_402_before_all_else_behind_the_gate(
    outsider: Any, client_with: Any, plan: Any, subtests: pytest.Subtests
) -> None:
    client = client_with(outsider, "mail:send")
    plan("community")
    for address, method, _ in some(CALLS, 3):
        if address.startswith("/api/mail/"):
            with subtests.test(f"{method} {address}"):
                for body, kind in BODIES:
                    response = send(client, method, address, body, kind)
                    told = (response.status_code, response.json())
                    assert told == (402, upgrade_required_body("orbit_mail"))


@pytest.mark.slow
@pytest.mark.long
def test_who_is_no_staff_and_what_lacks_the_scope_is_403_before_the_body_is_looked_at(
    outsider: Any, other_staff: Any, client_with: Any, subtests: pytest.Subtests
) -> None:
    keys = {
        scope: client_with(other_staff, *(set(ApiKey.Scope.values) - {scope}))
        for scope in ApiKey.Scope.values
    }
    stranger = client_with(outsider)
    for address, method, view in some(ASKING, 4):
        scope, _ = requirement(view, method.upper())
        with subtests.test(f"{method} {address}"):
            for body, kind in BODIES:
                refused = send(keys[scope], method, address, body, kind)
                assert refused.status_code == 403 and is_error(refused)
                assert scope in refused.json()["message"]
                assert send(stranger, method, address, body, kind).status_code == 403


@pytest.mark.slow
def test_a_key_with_the_scope_may(
    operator: Any, client_with: Any, rows: dict[str, int], subtests: pytest.Subtests
) -> None:
    clients = {scope: client_with(operator, scope) for scope in ApiKey.Scope.values}
    both = client_with(operator, ApiKey.Scope.READ, ApiKey.Scope.WRITE)
    for address, method, view in sorted(ASKING, key=lambda call: call[1] == "delete"):
        with subtests.test(f"{method} {address}"):
            client = both if address == READS_TOO else clients[requirement(view, method.upper())[0]]
            response = send(client, method, with_rows(address, rows))
            assert response.status_code not in {401, 402, 403, 405}
    refused = send(clients[ApiKey.Scope.WRITE.value], "post", READS_TOO, b"{}")
    assert refused.status_code == 403 and "mail:read" in refused.json()["message"]


@pytest.mark.slow
def test_a_session_writes_with_a_csrf_token_only(operator: Any, subtests: pytest.Subtests) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    for address, method, _ in ASKING:
        if method != "get":
            with subtests.test(f"{method} {address}"):
                assert send(client, method, address).status_code == 403
    client.cookies["csrftoken"] = "x" * 32
    token = {"x-csrftoken": "x" * 32}
    response = client.generic("POST", "/api/mail/domains", b"{}", "application/json", headers=token)
    assert response.status_code == 400


@pytest.mark.slow
@pytest.mark.long
def test_a_method_that_is_not_there_is_405_before_400(api: APIClient, subtests: pytest.Subtests) -> None:
    for address, view in some(ROUTES, 3):
        there = {method for method in METHODS if hasattr(view, method)}
        with subtests.test(address):
            for method in {*METHODS} - there if address not in OPEN else ():
                for body, kind in BODIES:
                    response = send(api, method, address, body, kind)
                    assert response.status_code == 405 and is_error(response)
                    allowed = set(response["Allow"].lower().split(", "))
                    assert allowed == there | {"options"} | ({"head"} if "get" in there else set())


@pytest.mark.slow
@pytest.mark.long
def test_a_row_that_is_not_there_is_404_before_the_body_is_looked_at(
    api: APIClient, subtests: pytest.Subtests
) -> None:
    for address, method, _ in some([call for call in CALLS if "/1" in call[0]], 2):
        with subtests.test(f"{method} {address}"):
            for body, kind in BODIES:
                response = send(api, method, address.replace("/1", "/999"), body, kind)
                assert response.status_code == 404 and is_error(response)
                assert response.json()["message"].endswith(" does not exist.")


#: What is no JSON, and what is no object.
NO_JSON = [b"{", b"nonsense", b"\xff", b'"\xff"', b'{"a": NaN}', b'{"a": "\\ud800"}', b"[" * 100_000]
NO_OBJECT = [b"[]", b"[1]", b"[{}]", b'"x"', b"5", b"null", b"true"]
NO_JSON_KINDS = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "a/b"]


@pytest.mark.slow
@pytest.mark.long
def test_what_is_no_json_object_is_refused_where_a_body_is_read_and_changes_nothing(
    api: APIClient, rows: dict[str, int], subtests: pytest.Subtests
) -> None:
    before = (AuditEntry.objects.count(), Message.objects.count())
    writing = [call for call in CALLS if call[1] in ("post", "put", "patch")]
    for address, method, view in some(writing, 3):
        if StrictJSONParser not in view.parser_classes:
            continue
        view.action = view.action_map[method]
        if not view.takes_body:
            continue
        path = with_rows(address, rows)
        with subtests.test(f"{method} {address}"):
            for body in NO_JSON:
                response = send(api, method, path, body)
                assert (response.status_code, response.json()["error"]) == (400, "parse_error")
            for body in NO_OBJECT:
                response = send(api, method, path, body)
                assert (response.status_code, response.json()["error"]) == (400, "validation_error")
                assert is_error(response)
            for kind in NO_JSON_KINDS:
                response = send(api, method, path, b"hostname=x", kind)
                assert (response.status_code, response.json()["error"]) == (415, "unsupported_media_type")
    assert (AuditEntry.objects.count(), Message.objects.count()) == before


# --- pages, and paths that do not exist ----------------------------------------------------------------------
@pytest.mark.slow
def test_a_key_gets_json_even_if_it_asks_for_a_page(api: APIClient, client: Client, operator: Any) -> None:
    for accept in ("text/html", "text/html,application/xhtml+xml,*/*;q=0.8"):
        for address in ("/api/billing/upgrade", "/api/billing/upgrade?format=api", "/api/mail/nothing"):
            response = api.get(address, headers={"accept": accept})
            assert response["Content-Type"] == "application/json"
            assert client.get(address, headers={"accept": accept})["Content-Type"] == "application/json"
    client.force_login(operator)
    assert client.get("/api/billing/upgrade", headers={"accept": "text/html"})["Content-Type"].startswith(
        "text/html"
    )
    assert client.get("/api/billing/upgrade")["Content-Type"] == "application/json"


def test_an_unknown_path_elsewhere_is_404_for_anybody(client: Client, db: None) -> None:
    for address in ["/api/nothing", "/api/relay", "/api/schema/", "/api/mailx", "/api/billing"]:
        for method in METHODS:
            response = send(client, method, address)
            assert response.status_code == 404 and is_error(response)


@pytest.mark.slow
def test_an_unknown_path_of_mail_is_401_then_402_then_404_and_never_a_redirect(
    api: APIClient, client: Client, plan: Any, subtests: pytest.Subtests
) -> None:
    for path in ["relay/", "/", "messages/x", "a/", "stack/", "stack/nope", "domains/", "domains/x", "mailboxes/1/nope",
                 "mailboxes/import/", "aliases/1/"]:  # fmt: skip
        address = f"/api/mail/{path}"
        with subtests.test(address):
            for name, status in [("pro", 404), ("community", 402)]:
                plan(name)
                assert client.get(address).status_code == 401
                for method in ("get", "post"):
                    assert send(api, method, address).status_code == status


def test_unknown_paths_are_json_also_in_debug(client: Client, settings: Any) -> None:
    settings.DEBUG = True
    assert is_error(client.get("/api/nothing"))


def test_outside_the_api_django_answers(client: Client, db: None) -> None:
    response = client.get("/nothing")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


def test_the_root_leads_to_the_console(client: Client) -> None:
    response = client.get("/")
    assert response.status_code == 302
    assert response["Location"].startswith("/admin/")
