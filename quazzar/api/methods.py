"""Refuses methods that nothing here answers, before they are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpResponse, HttpResponseNotAllowed, JsonResponse

from quazzar.api.exceptions import body

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

#: RFC 9110, section 9.3, and PATCH (RFC 5789). A server answers neither CONNECT nor TRACE if it is no proxy.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class MethodMiddleware:
    """Answers any other method with 405. A caller may invent as many as there are words, and each would become a
    label of the metrics that stays until the process ends."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in METHODS:
            return self.get_response(request)
        if request.path == "/api" or request.path.startswith("/api/"):
            answer = body("method_not_allowed", "This HTTP method is not supported.")
            return JsonResponse(answer, status=405, headers={"Allow": ", ".join(METHODS)})
        return HttpResponseNotAllowed(METHODS)
