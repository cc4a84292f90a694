"""Errors of the API: one shape, always JSON, never internals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, cast

import pytest
from django.core import exceptions as django
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from django.test import Client
from django.urls import path
from rest_framework import exceptions as drf
from rest_framework import serializers
from rest_framework.renderers import StaticHTMLRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from quazzar.api.exceptions import flattened
from quazzar.api.serializers import StrictSerializer
from quazzar.errors import (
    DeliveryError,
    InvalidEmail,
    InvalidFields,
    NotFound,
    QuazzarError,
    RelayNotConfigured,
)
from quazzar.rights import SEE_QUEUE, SEND
from quazzar.urls import handler400, handler403, handler404, handler500
from quazzar.urls import urlpatterns as product

assert handler400 and handler403 and handler404 and handler500
SECRET = "s3cr3t-internals"
raised: list[Exception] = []


class Part(StrictSerializer):
    filename = serializers.CharField()


class Body(StrictSerializer):
    name = serializers.CharField(max_length=5)
    id = serializers.IntegerField(read_only=True)
    to = serializers.ListField(child=serializers.EmailField(), required=False)
    parts = Part(many=True, required=False)


class View(APIView):
    rights: ClassVar = {"get": SEE_QUEUE, "post": SEND}

    def get(self, request: Request) -> Response:
        raise raised.pop()

    def post(self, request: Request) -> Response:
        body = Body(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(body.validated_data)


class Page(View):
    renderer_classes = [StaticHTMLRenderer]


def broken(request: Any) -> HttpResponse:
    raise RuntimeError(SECRET)


urlpatterns = [
    path("api/mail/probe", View.as_view()),
    path("api/mail/page", Page.as_view()),
    path("api/broken", broken),
    path("broken", broken),
    *product,
]


@pytest.fixture(autouse=True)
def _views(settings: Any) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    yield
    raised.clear()


def send(api: APIClient, raw: bytes, kind: str = "application/json") -> Any:
    """POST these very bytes; Django's type for them says text, but bytes are what it takes."""
    return cast("Any", api).generic("POST", "/api/mail/probe", raw, content_type=kind)


def get(api: APIClient, exc: Exception, address: str = "/api/mail/probe", **headers: str) -> Any:
    raised.append(exc)
    api.raise_request_exception = False
    return api.get(address, headers=headers)


class Busy(QuazzarError):
    code = "busy"
    message = "It is busy."
    status = 409


CASES = [
    (Busy(), 409, "busy", "It is busy."),
    (RelayNotConfigured(), 409, "relay_not_configured", RelayNotConfigured.message),
    (DeliveryError("No.", stage="auth", code="auth_failed"), 502, "auth_failed", "No."),
    (Http404(SECRET), 404, "not_found", "This address does not exist."),
    (NotFound("Not found."), 404, "not_found", "Not found."),
    (drf.NotFound(), 404, "not_found", "Not found."),
    (django.PermissionDenied(SECRET), 403, "permission_denied", "You are not allowed to do this."),
    (drf.MethodNotAllowed("GET"), 405, "method_not_allowed", 'Method "GET" not allowed.'),
    (drf.ParseError(), 400, "parse_error", "Malformed request."),
    (drf.APIException(SECRET), 500, "error", None),
    (django.SuspiciousOperation(SECRET), 400, "bad_request", None),
    (django.RequestDataTooBig(SECRET), 413, "too_large", None),
    (OperationalError(f"database is locked {SECRET}"), 503, "database_busy", None),
    (InterfaceError(SECRET), 503, "database_busy", None),
    (RuntimeError(SECRET), 500, "internal_error", None),
    (KeyError(SECRET), 500, "internal_error", None),
]


@pytest.mark.slow
def test_every_error_has_the_one_shape(subtests: pytest.Subtests, api: APIClient) -> None:
    for exc, status, code, message in CASES:
        with subtests.test(exc=exc, status=status, code=code, message=message):
            response = get(api, exc)
            assert response.status_code == status
            assert response["Content-Type"] == "application/json"
            assert response.json().keys() == {"error", "message"}
            assert response.json()["error"] == code
            assert message in {None, response.json()["message"]}
            assert SECRET not in response.content.decode()


def test_a_validation_error_names_its_fields(subtests: pytest.Subtests, api: APIClient) -> None:
    for exc in [
        drf.ValidationError({"to": ["No."]}),
        django.ValidationError({"to": ["No."]}),
        InvalidFields({"to": ["No."]}),
        InvalidEmail("to", "No."),
    ]:
        with subtests.test(exc=exc):
            response = get(api, exc)
            assert response.status_code == 400
            body = response.json()
            assert body == {
                "error": "validation_error",
                "message": "Some fields are not valid.",
                "fields": {"to": ["No."]},
            }


@pytest.mark.parametrize("address", ["/api/mail/probe", "/api/mail/page"])
def test_an_error_is_json_whatever_is_asked_for(api: APIClient, address: str) -> None:
    response = get(api, Busy(), address, accept="text/html")
    assert response["Content-Type"] == "application/json"
    assert response.json()["error"] == "busy"


def test_an_unexpected_error_is_logged_with_its_traceback(api: APIClient, caplog: Any) -> None:
    get(api, RuntimeError(SECRET))
    assert SECRET in caplog.text
    assert "Traceback" in caplog.text


def test_an_unexpected_error_is_json_also_in_debug(api: APIClient, settings: Any) -> None:
    settings.DEBUG = True
    response = get(api, RuntimeError(SECRET))
    assert response.json()["error"] == "internal_error"
    assert SECRET not in response.content.decode()


def test_an_error_outside_the_framework_is_json_under_api_only(client: Client) -> None:
    client.raise_request_exception = False
    assert client.get("/api/broken").json()["error"] == "internal_error"
    page = client.get("/broken")
    assert page["Content-Type"].startswith("text/html")
    assert SECRET not in page.content.decode()


def test_a_host_that_is_not_allowed_gets_json_under_api(client: Client) -> None:
    response = client.get("/api/mail/probe", headers={"host": "evil.example"})
    assert response.status_code == 400
    assert response.json()["error"] == "bad_request"


def post(api: APIClient, data: Any) -> Any:
    return api.post("/api/mail/probe", data, format="json")


def fields(response: Any) -> Any:
    assert response.status_code == 400
    assert response.json()["error"] == "validation_error"
    return response.json()["fields"]


def test_what_is_right_passes(api: APIClient) -> None:
    assert post(api, {"name": "ada"}).json() == {"name": "ada"}


def test_an_unknown_field_is_refused_beside_other_errors(api: APIClient) -> None:
    assert fields(post(api, {"name": "ada", "nam": 1})) == {"nam": ["Unknown field."]}
    both = fields(post(api, {"nam": 1}))
    assert both == {"name": ["This field is required."], "nam": ["Unknown field."]}


def test_a_field_that_is_only_read_may_be_sent_back(api: APIClient) -> None:
    assert post(api, {"name": "ada", "id": 7}).json() == {"name": "ada"}


def test_errors_inside_lists_are_under_the_name_of_the_field(api: APIClient) -> None:
    sentences = fields(post(api, {"name": "ada", "to": ["a@example.com", "b"]}))
    assert sentences == {"to": ["Item 2: Enter a valid email address."]}
    sentences = fields(post(api, {"name": "ada", "parts": [{"filename": "f"}, {"file": "x"}]}))
    assert sentences == {
        "parts": ["Item 2, filename: This field is required.", "Item 2, file: Unknown field."]
    }


def test_a_body_that_is_no_object_is_refused(subtests: pytest.Subtests, api: APIClient) -> None:
    for body in [[], [1], "x", 1, None, True]:
        with subtests.test(body=body):
            response = post(api, body)
            assert response.status_code == 400
            assert response.json().keys() == {"error", "message", "fields"}


def test_what_is_no_json_is_refused(subtests: pytest.Subtests, api: APIClient) -> None:
    for raw in [
        b"{",
        b"",
        b'{"name": NaN}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b'{"name":' * 50_000,
        b"9" * 5000,
    ]:
        with subtests.test(raw=raw):
            response = send(api, raw)
            assert response.status_code == 400
            assert response.json()["error"] in {"parse_error", "validation_error"}


def test_a_pair_of_surrogates_is_one_character(api: APIClient) -> None:
    response = send(api, rb'{"name": "\ud83d\ude00"}')
    assert response.json() == {"name": "😀"}


def test_another_kind_of_body_is_415(subtests: pytest.Subtests, api: APIClient) -> None:
    for kind in ["text/plain", "application/xml", "multipart/form-data; boundary=x", ""]:
        with subtests.test(kind=kind):
            response = send(api, b"name=ada", kind)
            assert response.status_code == 415
            assert response.json()["error"] == "unsupported_media_type"


def test_nested_details_become_sentences(subtests: pytest.Subtests) -> None:
    for detail, flat in [
        (["a", "b"], {"non_field_errors": ["a", "b"]}),
        ([{"x": ["a"]}], {"non_field_errors": ["Item 1, x: a"]}),
        ({"x": {"y": {"0": ["a"]}}}, {"x": ["Y, 0: a"]}),
        ({"x": {"non_field_errors": ["a"]}}, {"x": ["a"]}),
        ({"x": [[], ["a"]]}, {"x": ["Item 2: a"]}),
        ({"x": {0: ["a"], 2: ["b"]}}, {"x": ["Item 1: a", "Item 3: b"]}),
    ]:
        with subtests.test(detail=detail, flat=flat):
            assert flattened(detail) == flat


def test_a_server_that_is_throttled_says_when_to_come_back(api: APIClient) -> None:
    response = get(api, drf.Throttled(wait=12.3))
    assert response.status_code == 429
    assert response["Retry-After"] == "13"
    assert response.json()["error"] == "throttled"


def test_a_signed_in_operator_gets_the_browsable_page(operator: Any, client: Client) -> None:
    client.force_login(operator)
    page = client.get("/api/billing/upgrade", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "<title>" in page.content.decode()
