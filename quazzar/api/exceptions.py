"""Every error of the API in one shape: error, message, and fields on validation errors only.

It is JSON, in a browser that is signed in shown as a page.
"""

from __future__ import annotations

import logging
import math
import re
from typing import TYPE_CHECKING, Any

from django.core.exceptions import (
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    ValidationError,
)
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.utils.log import log_response
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.serializers import as_serializer_error
from rest_framework.views import set_rollback

from quazzar.access import signins
from quazzar.api.browsable.renderers import ConsolePages, answer_in_json
from quazzar.api.gate.permissions import UpgradeRequired
from quazzar.errors import InvalidEmail, InvalidFields, QuazzarError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

logger = logging.getLogger(__name__)

INVALID = "validation_error"
_INVALID = "Some fields are not valid."
_NOT_FOUND = "This address does not exist."
_FAILED = "Something went wrong on this node. Its log has the details."
_BUSY = "The database did not answer in time. Try again in a moment."
_FORBIDDEN = "You are not allowed to do this."
_TOO_LARGE = "The request body is too large."
_BAD = "The request is malformed."


def body(code: str, message: str, fields: Mapping[str, list[str]] | None = None) -> dict[str, Any]:
    """The body of an error."""
    shape: dict[str, Any] = {"error": code, "message": message}
    return shape if fields is None else shape | {"fields": fields}


def handle(exc: Exception, context: dict[str, Any]) -> Response:
    """The answer to any exception that leaves a view."""
    request = context["request"]
    response = _answer(exc)
    if response.status_code >= 500:
        _report(exc, response, request)
    elif response.status_code == 403 and request.user.is_authenticated:  # not so where a CSRF token was wrong
        signins.refused(request._request)
    set_rollback()
    if not _keeps_its_page(exc, response, request):
        answer_in_json(request)  # also where the view answers with text
    return response


def _keeps_its_page(exc: Exception, response: Response, request: Any) -> bool:
    """Whether the error is shown as a page of the browsable API; a fault in the product might break that page too."""
    expected = response.status_code < 500 or isinstance(exc, QuazzarError)
    return expected and isinstance(getattr(request, "accepted_renderer", None), ConsolePages)


def _answer(exc: Exception) -> Response:
    match exc:
        case UpgradeRequired():
            return Response(exc.body, status=402)
        case exceptions.ValidationError():
            return _invalid(flattened(exc.detail))
        case ValidationError():
            return _invalid(flattened(as_serializer_error(exc)))
        case InvalidFields():
            return _invalid(exc.fields)
        case InvalidEmail():
            return _invalid({exc.field: [exc.message]})
        case QuazzarError():
            return Response(body(exc.code, exc.message), status=exc.status)
        case exceptions.APIException():
            return _of_framework(exc)
        case _:
            return _of_python(exc)


def _invalid(fields: Mapping[str, list[str]]) -> Response:
    return Response(body(INVALID, _INVALID, fields), status=400)


def _of_framework(exc: exceptions.APIException) -> Response:
    code = exc.default_code
    headers: dict[str, str] = {}
    if auth := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = auth
    if wait := getattr(exc, "wait", None):
        headers["Retry-After"] = str(math.ceil(wait))
    message = _sentence(str(exc.detail)) if exc.status_code < 500 else _FAILED
    return Response(body(code, message), status=exc.status_code, headers=headers)


def _of_python(exc: Exception) -> Response:
    match exc:
        case Http404():
            return Response(body("not_found", _NOT_FOUND), status=404)
        case PermissionDenied():
            return Response(body("permission_denied", _FORBIDDEN), status=403)
        case RequestDataTooBig():
            return Response(body("too_large", _TOO_LARGE), status=413)
        case SuspiciousOperation() | UnreadablePostError():
            return Response(body("bad_request", _BAD), status=400)
        case OperationalError() | InterfaceError():
            return Response(body("database_busy", _BUSY), status=503, headers={"Retry-After": "2"})
        case _:
            return Response(body("internal_error", _FAILED), status=500)


def _report(exc: Exception, response: Response, request: Any) -> None:
    if isinstance(exc, QuazzarError):
        logger.warning("%s %s: %s: %s", request.method, request.path, exc.code, exc.message)
        response._has_been_logged = True  # type: ignore[attr-defined]  # Django's own mark, see log_response
        return
    # As Django does with an exception that no view caught: a line with the traceback, and the signal.
    http = request._request
    sentence = f"{type(exc).__name__}: {http.path}"
    log_response("%s", sentence, response=response, request=http, exception=exc)
    if response.status_code == 500:
        got_request_exception.send(sender=None, request=http)


def flattened(detail: Any) -> dict[str, list[str]]:
    """Nested details as one level: ``{"attachments": ["Item 2, filename: This field is required."]}``."""
    if isinstance(detail, dict):
        return {str(name): list(_sentences(inner)) for name, inner in detail.items()}
    return {"non_field_errors": list(_sentences(detail))}


def _sentences(detail: Any, place: str = "") -> Iterator[str]:
    if isinstance(detail, dict):
        parts = list(detail.items())
    elif isinstance(detail, list):
        nested = any(isinstance(part, dict | list) for part in detail)
        parts = list(enumerate(detail)) if nested else [("non_field_errors", part) for part in detail]
    else:
        yield f"{place}: {detail}" if place else str(detail)
        return
    for name, inner in parts:
        yield from _sentences(inner, _within(place, name))


def _within(place: str, name: int | str) -> str:
    if name == "non_field_errors":
        return place
    inner = f"item {name + 1}" if isinstance(name, int) else str(name)
    return f"{place}, {inner}" if place else inner[:1].upper() + inner[1:]


def _sentence(text: str) -> str:
    one_line = re.sub(r"\s+", " ", text).strip()
    return one_line if one_line.endswith((".", "!", "?")) else f"{one_line}."


def _json_under_api(code: str, message: str, status: int, default: Callable[..., HttpResponse]) -> Any:
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.path == "/api" or request.path.startswith("/api/"):
            return JsonResponse(body(code, message), status=status)
        return default(request, *args, **kwargs)

    return answer


# For what fails outside a view: a host that is not allowed, a broken middleware.
bad_request = _json_under_api("bad_request", _BAD, 400, defaults.bad_request)
permission_denied = _json_under_api("permission_denied", _FORBIDDEN, 403, defaults.permission_denied)
page_not_found = _json_under_api("not_found", _NOT_FOUND, 404, defaults.page_not_found)
server_error = _json_under_api("internal_error", _FAILED, 500, defaults.server_error)
