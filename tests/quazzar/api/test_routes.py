"""Every route under /api/: behind the gate, and with errors in one shape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from quazzar.api.gate.permissions import ANY_PLAN, Entitlement, scope_of
from quazzar.models import ApiKey
from quazzar.plans.entitlements import upgrade_required_body

METHODS = ("get", "post", "put", "patch", "delete")
#: Anybody may read these; everything else under /api/ asks who it is.
OPEN = {"/api/schema", "/api/docs"}
#: Behind a sign-in, on any plan.
ON_ANY_PLAN = {"/api/", "/api/billing/upgrade"}


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
    for method, handler in (getattr(callback, "actions", None) or {}).items():
        setattr(view, method, getattr(view, handler))
    return view


ROUTES = [
    (address, view) for address, view in routes() if "^" not in address and getattr(view, "is_endpoint", True)
]
MAIL = [(address, view) for address, view in ROUTES if address.startswith("/api/mail/")]
CALLS = [(address, method, view) for address, view in ROUTES for method in METHODS if hasattr(view, method)]
MAIL_CALLS = [(address, method, view) for address, method, view in CALLS if address.startswith("/api/mail/")]


def is_error(response: Any) -> bool:
    """Whether the body is an error in the one shape."""
    body = response.json()
    keys = {"error", "message"} | ({"fields"} if body["error"] == "validation_error" else set())
    return response["Content-Type"] == "application/json" and body.keys() == keys and bool(body["message"])


def test_there_are_routes_to_walk() -> None:
    assert len(MAIL) >= 8
    assert {address for address, _ in ROUTES} >= OPEN | ON_ANY_PLAN


@pytest.mark.parametrize(("address", "view"), ROUTES)
def test_every_route_is_a_view_of_the_api_and_declares_itself(address: str, view: Any) -> None:
    if address in OPEN:
        assert not [method for method in METHODS[1:] if hasattr(view, method)]
    else:
        assert view.permission_classes == [Entitlement]
        assert getattr(view, "feature", "orbit_mail") == (
            ANY_PLAN if address in ON_ANY_PLAN else "orbit_mail"
        )


@pytest.mark.parametrize(("address", "method", "view"), CALLS)
def test_every_write_declares_a_scope(address: str, method: str, view: Any) -> None:
    assert scope_of(view, method.upper()) in ApiKey.Scope.values


@pytest.mark.parametrize(("address", "method", "view"), [call for call in CALLS if call[0] not in OPEN])
def test_every_route_answers_401_to_strangers(
    client: Client, plan: Any, address: str, method: str, view: Any
) -> None:
    plan("community")
    response = getattr(client, method)(address)
    assert response.status_code == 401
    assert is_error(response)


@pytest.mark.parametrize(("address", "method", "view"), MAIL_CALLS)
def test_every_mail_route_answers_402_below_pro(
    outsider: Any, client_with: Any, plan: Any, address: str, method: str, view: Any
) -> None:
    client = client_with(outsider, "mail:read")
    plan("community")
    response = getattr(client, method)(address)
    assert response.status_code == 402
    assert response.json() == upgrade_required_body("orbit_mail")


@pytest.mark.parametrize(("address", "method", "view"), [call for call in CALLS if call[0] not in OPEN])
def test_every_route_answers_403_to_who_may_not(
    outsider: Any, other_staff: Any, client_with: Any, address: str, method: str, view: Any
) -> None:
    others = set(ApiKey.Scope.values) - {scope_of(view, method.upper())}
    for client in (client_with(outsider), client_with(other_staff, *others)):
        response = getattr(client, method)(address)
        assert response.status_code == 403
        assert is_error(response)


@pytest.mark.parametrize(("address", "view"), [route for route in ROUTES if route[0] not in OPEN])
def test_every_route_answers_405_in_shape(api: APIClient, address: str, view: Any) -> None:
    for method in ("trace", *[name for name in METHODS if not hasattr(view, name)]):
        response = getattr(api, method)(address)
        assert response.status_code == 405
        assert is_error(response)


@pytest.mark.parametrize(("address", "method", "view"), [call for call in CALLS if call[1] != "get"])
@pytest.mark.parametrize("body", [b"{", b"[1]", b"nonsense", b'"\xff"', b"[" * 100_000])
def test_no_route_answers_a_malformed_body_with_more_than_400(
    api: APIClient, address: str, method: str, view: Any, body: bytes
) -> None:
    response = getattr(api, method)(address, body, content_type="application/json")
    if response.status_code >= 400:
        # The import takes CSV, and says so to JSON.
        assert response.status_code in {400, 404, 409, 415 if address.endswith("/import") else 400}
        assert is_error(response)


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


@pytest.mark.parametrize(
    "address", ["/api/nothing", "/api/relay", "/api/schema/", "/api/mailx", "/api/billing"]
)
@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_path_elsewhere_is_404_for_anybody(client: Client, address: str, method: str) -> None:
    response = getattr(client, method)(address)
    assert response.status_code == 404
    assert is_error(response)


@pytest.mark.parametrize(
    "address", ["/api/mail/relay/", "/api/mail//", "/api/mail/messages/x", "/api/mail/a/"]
)
def test_no_path_is_answered_with_a_redirect(api: APIClient, client: Client, address: str) -> None:
    assert client.get(address).status_code == 401
    response = api.get(address)
    assert response.status_code == 404
    assert is_error(response)


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
