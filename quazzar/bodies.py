"""The size limits of request bodies, enforced before they are read."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeVar

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.shortcuts import render

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

_MOST_DIGITS = 15
View = TypeVar("View", bound=Callable[..., Any])

#: The limit for most bodies, in bytes; messages and imports have ``settings.DATA_UPLOAD_MAX_MEMORY_SIZE``.
USUAL = 1024 * 1024


def largest(*, is_mail: bool) -> int:
    """The number of bytes that a body may have; ``is_mail``: it is a message or an import."""
    configured = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    most = USUAL if configured is None else int(configured)
    return most if is_mail else min(USUAL, most)


def takes_file(view: View) -> View:
    """Decorate a view of the console whose form may hold a large file."""
    view.takes_file = True  # type: ignore[attr-defined]
    return view


class BodySizeMiddleware:
    """Refuses a form that is too large before anybody reads it. The API first says who may send anything at all."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # The code below uses floats and fails for a number of 400 digits; the web server accepts only digits.
        if len(request.META.get("CONTENT_LENGTH") or "") > _MOST_DIGITS:
            request.META["CONTENT_LENGTH"] = "9" * _MOST_DIGITS
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: View, *_: Any) -> HttpResponse | None:
        """The refusal, if there is one."""
        if hasattr(view, "cls"):
            return None
        try:
            check(request, largest(is_mail=getattr(view, "takes_file", False)))
        except RequestDataTooBig:
            return render(request, "413.html", status=413)
        return None


def check(request: HttpRequest, limit: int) -> None:
    """Check the body's size by its header; a body that comes in chunks, without one, is read up to the limit.

    Raises:
        RequestDataTooBig: it is larger.
    """
    if length := request.META.get("CONTENT_LENGTH"):
        if int(length) > limit:
            raise RequestDataTooBig
    elif request.META.get("HTTP_TRANSFER_ENCODING") and request.META.get("wsgi.input_terminated"):
        _read_chunks(request, limit)


def _read_chunks(request: HttpRequest, limit: int) -> None:
    """Read the body and give it the length that Django and DRF ask for; without one they treat the body as empty."""
    data = request.META["wsgi.input"].read(limit + 1)
    if len(data) > limit:
        raise RequestDataTooBig
    request._stream = BytesIO(data)  # where Django reads it from
    request.META["CONTENT_LENGTH"] = str(len(data))
