"""The domain's errors as the console's pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404

from quazzar.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse


class NotFoundMiddleware:
    """Answers a NotFound that a view did not catch with Django's own 404 page. The API answers it by itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Hand the error to Django as the one that it knows.

        Raises:
            Http404: in place of NotFound.
        """
        if isinstance(exception, NotFound):
            raise Http404(exception.message) from exception
