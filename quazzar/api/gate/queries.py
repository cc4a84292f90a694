"""Parameters in the address of a request: those that the endpoint does not know are refused, like unknown fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.exceptions import ValidationError
from rest_framework.settings import api_settings

if TYPE_CHECKING:
    from rest_framework.request import Request

UNKNOWN = "Unknown parameter."


def known(view: Any) -> set[str]:
    """Names of the parameters that the view's present action takes."""
    names = {str(api_settings.URL_FORMAT_OVERRIDE), *getattr(view, "query_names", {}).get(_action(view), ())}
    if _action(view) != "list":
        return names
    if paginator := view.paginator:
        names |= {paginator.page_query_param, paginator.page_size_query_param, *paginator.more_query_names}
    for backend in (backend() for backend in view.filter_backends):
        names |= set(backend.query_names(view))
    return names


def _action(view: Any) -> str:
    return getattr(view, "action", None) or ""


def check(view: Any, request: Request) -> None:
    """Check the parameters of a request that the view handles.

    Raises:
        ValidationError: some are not known.
    """
    unknown = {name: [UNKNOWN] for name in request.query_params if name not in known(view)}
    if unknown:
        raise ValidationError(unknown)
