"""401, then 402, then 403, then 404 and 405; what a view does not declare is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, cast

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.views import APIView

from quazzar.api.gate.permissions import ANY_PLAN, Entitlement
from quazzar.api.serializers import NoBody
from quazzar.api.viewsets import ApiViewSet, SingletonRouter
from quazzar.models import ApiKey
from quazzar.plans.entitlements import upgrade_required_body
from quazzar.rights import CHANGE_RELAY, SEE_RELAY, SEND
from quazzar.urls import urlpatterns as product
from tests.conftest import with_key

UNKNOWN = "/api/mail/no/such/thing"


class Undeclared(APIView):
    """What somebody in a hurry adds."""

    def get(self, request: Request) -> Response:
        return Response({})

    def post(self, request: Request) -> Response:
        return Response({})


class Declared(ApiViewSet):
    rights: ClassVar = {"retrieve": SEE_RELAY, "create": SEND, "change": CHANGE_RELAY}
    serializer_class = NoBody

    def retrieve(self, request: Request) -> Response:
        return Response({})

    def create(self, request: Request) -> Response:
        return Response({})

    @action(detail=False, methods=["post"])
    def change(self, request: Request) -> Response:
        return Response({})

    @action(detail=False, methods=["get", "post"])
    def forgotten(self, request: Request) -> Response:
        return Response({})


class OnAnyPlan(Declared):
    feature = ANY_PLAN


router = SingletonRouter()
router.register("declared", Declared, "declared")
router.register("free", OnAnyPlan, "free")
urlpatterns = [path("undeclared", Undeclared.as_view()), *router.urls, *product]


@pytest.fixture
def views(settings: Any) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    yield


def outcome(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]


@pytest.mark.parametrize("address", ["/undeclared", UNKNOWN, "/api/mail", "/api/mail/"])
def test_401_comes_before_402(views: None, plan: Any, address: str, client: Client) -> None:
    plan("community")
    response = client.get(address)
    assert outcome(response) == (401, "not_authenticated")
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert "Authorization: Bearer qzr_" in response.json()["message"]


@pytest.mark.parametrize("text", ["qzr_nonsense", "", "a b"])
def test_a_key_that_does_not_count_is_401(plan: Any, text: str, db: None) -> None:
    plan("community")
    response = with_key(text).get(UNKNOWN)
    assert outcome(response) == (401, "authentication_failed")
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_another_scheme_is_no_key(client: Client) -> None:
    assert outcome(client.get(UNKNOWN, headers={"authorization": "Basic YTpi"})) == (401, "not_authenticated")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_read_without_regard_to_case(api: APIClient, scheme: str) -> None:
    key = cast("Any", api)._credentials["HTTP_AUTHORIZATION"].split()[1]
    response = APIClient().get("/api/billing/upgrade", headers={"authorization": f"{scheme}  {key}"})
    assert response.status_code == 200


@pytest.mark.parametrize("address", ["/undeclared", UNKNOWN, "/api/mail"])
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "options", "head"])
def test_402_comes_before_403_404_and_405(
    views: None, plan: Any, outsider: Any, client_with: Any, address: str, method: str
) -> None:
    client = client_with(outsider, "mail:send")
    plan("community")
    response = getattr(client, method)(address)
    assert response.status_code == 402
    if method != "head":
        assert response.json() == upgrade_required_body("orbit_mail")


def test_402_comes_before_a_missing_csrf_token(views: None, plan: Any, operator: Any) -> None:
    client = signed_in(operator)
    plan("community")
    assert client.post("/declared").status_code == 402
    plan("pro")
    assert outcome(client.post("/declared")) == (403, "permission_denied")


def signed_in(user: Any) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    return client


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "multipart/form-data", "a/b"])
def test_a_body_that_cannot_be_read_does_not_hide_402_or_403(
    views: None, plan: Any, operator: Any, outsider: Any, kind: str
) -> None:
    for user, name, status in [(operator, "community", 402), (outsider, "pro", 403), (operator, "pro", 403)]:
        plan(name)
        assert signed_in(user).post("/declared", b"{", content_type=kind).status_code == status


def test_a_session_with_a_csrf_token_has_all_scopes(views: None, operator: Any) -> None:
    client = signed_in(operator)
    client.cookies["csrftoken"] = "x" * 32
    for address in ("/declared", "/declared/change"):
        assert client.post(address, headers={"x-csrftoken": "x" * 32}).status_code == 200


def test_a_key_needs_no_csrf_token(views: None, client_with: Any, operator: Any) -> None:
    assert client_with(operator).post("/declared").status_code == 200


def test_who_is_no_staff_gets_403_before_404(views: None, outsider: Any, client_with: Any) -> None:
    for client in (client_with(outsider), signed_in(outsider)):
        for address in ("/declared", UNKNOWN):
            assert outcome(client.get(address)) == (403, "permission_denied")


@pytest.mark.parametrize(
    ("method", "address", "needed"),
    [
        ("get", "/declared", "mail:read"),
        ("post", "/declared", "mail:send"),
        ("post", "/declared/change", "mail:write"),
    ],
)
@pytest.mark.parametrize("scope", ApiKey.Scope.values)
def test_a_key_does_what_its_scopes_say(
    views: None, operator: Any, client_with: Any, method: str, address: str, needed: str, scope: str
) -> None:
    response = getattr(client_with(operator, scope), method)(address)
    assert response.status_code == (200 if scope == needed else 403)
    if scope != needed:
        assert needed in response.json()["message"]


def test_what_a_view_does_not_declare_nobody_may(views: None, operator: Any, api: APIClient) -> None:
    client = signed_in(operator)
    client.cookies["csrftoken"] = "x" * 32
    for address in ("/undeclared", "/declared/forgotten"):
        for method in ("get", "head", "options", "post", "delete"):
            assert getattr(api, method)(address).status_code == 403, (address, method)
        assert outcome(client.post(address, headers={"x-csrftoken": "x" * 32})) == (403, "permission_denied")
        assert "it refuses everyone" in client.get(address).json()["message"]


def test_the_gate_is_what_a_view_has_when_it_says_nothing() -> None:
    assert Undeclared.permission_classes == ApiViewSet.permission_classes == [Entitlement]


def test_a_method_that_is_not_there_is_405(views: None, api: APIClient) -> None:
    response = api.delete("/declared")
    assert outcome(response) == (405, "method_not_allowed")
    assert "POST" in response["Allow"]


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_an_unknown_path_behind_the_gate_is_404(api: APIClient, method: str) -> None:
    assert outcome(getattr(api, method)(UNKNOWN)) == (404, "not_found")


def test_options_needs_reading_only(views: None, operator: Any, client_with: Any) -> None:
    assert client_with(operator, "mail:read").options("/declared").status_code == 200
    assert client_with(operator, "mail:send").options("/declared").status_code == 403


def test_only_what_is_declared_for_any_plan_is_open_on_any_plan(
    views: None, plan: Any, api: APIClient, client: Client
) -> None:
    plan("community")
    assert api.get("/free").status_code == 200
    assert api.get("/declared").status_code == 402
    assert client.get("/free").status_code == 401


def test_a_lapsed_licence_closes_at_once_and_opens_at_once(api: APIClient, views: None, plan: Any) -> None:
    for name, status in [("pro", 200), ("community", 402), ("enterprise", 200), ("community", 402)]:
        plan(name)
        assert api.get("/declared").status_code == status


def test_a_revoked_key_is_out_at_once(views: None, api: APIClient) -> None:
    assert api.get("/declared").status_code == 200
    for row in ApiKey.objects.all():
        row.revoked_at = row.created_at
        row.save()
    assert outcome(api.get("/declared")) == (401, "authentication_failed")


def test_an_accept_header_that_fits_nothing_does_not_hide_401_or_402(
    views: None, plan: Any, client: Client, api: APIClient
) -> None:
    plan("community")
    odd = {"accept": "image/png"}
    assert client.get("/undeclared", headers=odd).status_code == 401
    assert api.get("/undeclared?format=xml", headers=odd).status_code == 402
    plan("pro")
    assert api.get("/declared?format=xml", headers=odd)["Content-Type"] == "application/json"


def test_a_request_made_by_hand_meets_the_gate_as_well(db: None) -> None:
    response: HttpResponse = Undeclared.as_view()(APIRequestFactory().get("/"))
    assert response.status_code == 401
