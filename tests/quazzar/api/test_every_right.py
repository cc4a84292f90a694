"""Every call of the API and every page of the console, as every kind of operator: allowed as declared, else refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.test import APIClient
from rest_framework.views import APIView

from quazzar.access.roles import ROLES, refusal
from quazzar.api.gate.permissions import Entitlement
from quazzar.models import ApiKey
from quazzar.rights import SCOPES, Right
from tests import rolespage
from tests.tiers import some

CALLS = list(rolespage.calls())
#: The console's first page and its list of tables, for everyone who may sign in; redirects; and a page with a ticket.
FOR_ALL = {
    *("index", "tables", "first_sign_in", "second_factor_needed", "password_change", "mail_boxes_scanned"),
    *("login", "second_step", "passkey_needed", "passkey_options", "passkey_sign_in", "welcome", None, ""),
}


@pytest.fixture
def people(operator: User, other_staff: User) -> dict[str, User]:
    """A name → one of each kind."""
    kinds = {"superuser": operator, "staff without a role": other_staff}
    for role in ROLES:
        kinds[role.name] = User.objects.create_user(role.name, is_staff=True)
        kinds[role.name].groups.add(Group.objects.get(name=role.name))
    return kinds


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everyone who gets past the gate gets 404.

    That the rest works is shown elsewhere, and would take a minute here.
    """
    past = Entitlement.has_permission

    def has_permission(self: Entitlement, request: Request, view: APIView) -> bool:
        past(self, request, view)
        raise NotFound

    monkeypatch.setattr(Entitlement, "has_permission", has_permission)


def ask(client: APIClient, method: str, path: str) -> Any:
    return client.generic(method, path.replace("{id}", "1"), "", content_type="application/json")


def test_every_call_and_every_page_declares_its_right() -> None:
    assert len(CALLS) > 60
    assert [(path, method) for path, method, right in CALLS if right is None] == []
    assert [route for route, right in rolespage.pages() if right is None and route.name not in FOR_ALL] == []
    scopes = {method: set() for _, method, _ in CALLS}  # type: dict[str, set[str]]
    for _, method, right in CALLS:
        assert right
        scopes[method].add(right.scope)
    assert scopes["GET"] == {"mail:read"}
    assert "mail:read" not in set().union(*(found for method, found in scopes.items() if method != "GET"))


@pytest.mark.slow
def test_strangers_get_nowhere(db: None) -> None:
    for path, method, _ in CALLS:
        assert ask(APIClient(), method, path).status_code == 401, (method, path)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("scopes", [SCOPES, *((scope,) for scope in SCOPES)], ids=", ".join)
def test_a_key_may_what_its_scopes_and_its_operator_allow(
    gate: None,
    people: dict[str, User],
    rows: dict[str, int],
    client_with: Callable[..., APIClient],
    scopes: tuple[str, ...],
) -> None:
    for name, user in people.items():
        client = client_with(user, *scopes)
        for path, method, right in some(CALLS, 5):
            assert right
            allowed = right.scope in scopes and right(user)
            told = ask(client, method, path)
            assert told.status_code == (404 if allowed else 403), (name, method, path, told.content)
            if not allowed:
                lacks_scope = right.scope not in scopes
                missing = f"lacks the scope {right.scope}" if lacks_scope else refusal(right)
                assert missing in told.json()["message"]


@pytest.mark.slow
@pytest.mark.long
def test_a_session_may_what_its_operator_may(gate: None, people: dict[str, User]) -> None:
    for name, user in people.items():
        client = APIClient()
        client.force_login(user)
        for path, method, right in some(CALLS, 3):
            assert right
            told = ask(client, method, path)
            assert told.status_code == (404 if right(user) else 403), (name, method, path, told.content)


@pytest.mark.slow
@pytest.mark.long
def test_head_and_options_tell_no_more_than_get(gate: None, people: dict[str, User]) -> None:
    """And where there is no GET, OPTIONS and a 405 are for those who may do something there."""
    by_path: dict[str, dict[str, Right]] = {}
    for path, method, right in CALLS:
        assert right
        by_path.setdefault(path, {})[method] = right
    for name, user in people.items():
        client = APIClient()
        client.force_login(user)
        for path, methods in some(by_path.items(), 7):
            anything = any(right(user) for right in methods.values())
            allowed = methods["GET"](user) if "GET" in methods else anything
            assert ask(client, "OPTIONS", path).status_code == (404 if allowed else 403), (name, path)
            assert ask(client, "HEAD", path).status_code == (404 if allowed else 403), (name, path)
            other = next(
                (method for method in ("GET", "POST", "PUT", "DELETE") if method not in methods), "PATCH"
            )
            if other not in methods:
                assert ask(client, other, path).status_code == (404 if anything else 403), (name, path)


@pytest.mark.slow
def test_options_describes_what_one_may_send(people: dict[str, User]) -> None:
    for name, sendable in {"Viewer": set(), "Mail admin": {"POST"}}.items():
        client = APIClient()
        client.force_login(people[name])
        described = client.options("/api/mail/domains").json().get("actions", {})
        assert set(described) == sendable


@pytest.mark.slow
@pytest.mark.long
def test_the_console_lets_in_whom_the_api_lets_in(people: dict[str, User], client: Client) -> None:
    for name, user in people.items():
        client.force_login(user)
        for route, right in some(rolespage.pages(), 7):
            if right is None:
                continue
            address = reverse(f"admin:{route.name}", kwargs=dict.fromkeys(route.pattern.converters, 1))
            allowed = right(user)
            # Most pages are for GET and POST only, so a 405 shows that the gate was passed, without rendering them.
            assert (client.options(address).status_code != 403) == allowed, (name, address)
            if not allowed:
                answer = client.post(address)
                assert answer.status_code == 403, (name, address)
                assert escape(refusal(right)) in answer.content.decode()


@pytest.mark.slow
@pytest.mark.long
def test_the_pages_of_a_model_are_for_those_who_may(people: dict[str, User], client: Client) -> None:
    for name, user in people.items():
        client.force_login(user)
        for model, each in some(rolespage.models(), 3):
            route = f"admin:{model._meta.app_label}_{model._meta.model_name}"
            if each.see(user) and name in ("Mail admin", "superuser"):
                continue  # they see what the others see
            answer = client.get(reverse(f"{route}_changelist"))
            assert (answer.status_code == 200) == each.see(user), (name, model)
            if answer.status_code == 403:
                assert escape(refusal(each.see)) in answer.content.decode()
            may_add = each.add is not None and each.add(user)
            assert (client.post(reverse(f"{route}_add")).status_code != 403) == may_add, (name, model)


@pytest.mark.slow
def test_forms_of_an_endpoints_page_are_those_that_one_may_send(people: dict[str, User]) -> None:
    for name, user in people.items():
        client = Client()
        client.force_login(user)
        for path in ("/api/mail/relay", "/api/mail/domains", "/api/mail/messages", "/api/mail/stack/enable"):
            page = client.get(path, headers={"accept": "text/html"}).content.decode()
            for _, method, right in (call for call in CALLS if call[0] == path and call[1] != "GET"):
                assert right
                assert (f">{method}<" in page) == right(user), (name, method, path)


def test_what_is_taken_from_an_operator_is_taken_from_the_keys_at_once(
    people: dict[str, User], client_with: Callable[..., APIClient]
) -> None:
    user = people["Mail admin"]
    client = client_with(user)
    assert client.get("/api/mail/domains").status_code == 200
    user.groups.set(Group.objects.filter(name="Sender"))
    assert client.get("/api/mail/domains").status_code == 403
    assert client.get("/api/mail/messages").status_code == 200
    User.objects.filter(pk=user.pk).update(is_staff=False)
    assert client.get("/api/mail/messages").status_code == 403
    User.objects.filter(pk=user.pk).update(is_staff=True, is_active=False)
    assert client.get("/api/mail/messages").status_code == 401
    assert ApiKey.objects.get().state == "active"


def test_no_header_or_parameter_makes_one_method_of_another(api: APIClient) -> None:
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        assert api.post("/api/mail/relay", {}, headers={name: "DELETE"}).status_code == 405
        assert api.get("/api/mail/relay", headers={name: "DELETE"}).status_code == 200
    assert api.post("/api/mail/relay?_method=DELETE", {"_method": "DELETE"}).status_code == 405


def test_no_format_shows_a_key_the_forms_of_a_page(
    client_with: Callable[..., APIClient], operator: User
) -> None:
    for query in ("?format=api", "?format=json", ""):
        told = client_with(operator, "mail:read").get(
            f"/api/mail/relay{query}", headers={"accept": "text/html"}
        )
        assert (told.status_code, told["Content-Type"]) == (200, "application/json")
