"""The domain's errors as the console's pages."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.contrib import messages
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.shortcuts import render
from django.urls import reverse

from quazzar.access import signins
from quazzar.console import gate
from quazzar.errors import NotFound, TooBusy

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

logger = logging.getLogger(__name__)


class ErrorPagesMiddleware:
    """Answers errors that a view did not catch and that are not its fault. The API answers them by itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", "") and request.path.startswith("/admin/"):
            raise SuspiciousOperation  # no browser sends NUL, and PostgreSQL cannot search for it
        response = self.get_response(request)
        if _leads_to_sign_in(response):
            if gate.by_htmx(request):
                return gate.signed_out()
            if request.method == "POST":
                messages.error(
                    request,
                    "You were signed out before you sent the form, so nothing was changed. Sign in and send it again.",
                )
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A page that says when to try again; or the error as the one that Django knows. Refusals are recorded.

        Raises:
            Http404: in place of NotFound.
        """
        if isinstance(exception, TooBusy):
            return _busy(request, "Too many passwords are being checked right now.")
        if isinstance(exception, OperationalError | InterfaceError):
            logger.error("%s %s: the database failed", request.method, request.path, exc_info=exception)
            return _busy(request, "The database did not answer, so nothing was changed. The log says why.")
        if isinstance(exception, PermissionDenied):
            signins.refused(request)
        if isinstance(exception, NotFound):
            raise Http404(exception.message) from exception
        return None


def _busy(request: HttpRequest, why: str) -> HttpResponse:
    response = render(request, "busy.html", {"why": why}, status=TooBusy.status)
    response["Retry-After"] = "5"
    # As for /readyz: errors that strangers cause are not mailed to anyone.
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _leads_to_sign_in(response: HttpResponse) -> bool:
    """Whether the answer is Django's redirect of somebody who has to sign in first."""
    return response.status_code == 302 and response["Location"].startswith(f"{reverse('admin:login')}?next=")
