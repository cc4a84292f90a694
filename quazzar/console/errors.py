"""The domain's errors as the console's pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import render

from quazzar.access import signins
from quazzar.errors import NotFound, TooBusy

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse


class ErrorPagesMiddleware:
    """Answers errors that a view did not catch and that are not its fault. The API answers them by itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A page that says when to try again; or the error as the one that Django knows. Refusals are recorded.

        Raises:
            Http404: in place of NotFound.
        """
        if isinstance(exception, TooBusy):
            response = render(request, "busy.html", status=exception.status)
            response["Retry-After"] = "5"
            # As for /readyz: errors that strangers cause are not mailed to anyone.
            response._has_been_logged = True  # type: ignore[attr-defined]
            return response
        if isinstance(exception, PermissionDenied):
            signins.refused(request)
        if isinstance(exception, NotFound):
            raise Http404(exception.message) from exception
        return None
