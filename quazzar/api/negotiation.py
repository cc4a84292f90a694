"""Which renderer answers: pages for a signed-in browser, else what is asked for, else the view's first one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import Http404
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation

from quazzar.api.browsable.renderers import ConsolePages
from quazzar.api.gate.authentication import bearer_token

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rest_framework.renderers import BaseRenderer
    from rest_framework.request import Request


class LenientNegotiation(DefaultContentNegotiation):
    """Never refuses: RFC 9110, 12.5.1 lets a server disregard Accept. So no 406 comes before 401 and 402."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the renderer and its media type."""
        candidates = list(renderers)
        chosen = self._select(request, candidates, format_suffix)
        if isinstance(chosen[0], ConsolePages) and not _is_browser(request):
            data = [renderer for renderer in candidates if not isinstance(renderer, ConsolePages)]
            chosen = self._select(request, data, format_suffix)
        return chosen

    def _select(
        self, request: Request, renderers: list[BaseRenderer], format_suffix: str | None
    ) -> tuple[BaseRenderer, str]:
        try:
            chosen: Any = super().select_renderer(request, renderers, format_suffix)
        except (Http404, NotAcceptable):
            chosen = (renderers[0], renderers[0].media_type)
        return chosen  # type: ignore[no-any-return]


def _is_browser(request: Request) -> bool:
    """Whether the caller has a session of the console.

    It is Django's user, because DRF has not authenticated anybody yet.
    """
    user = getattr(request._request, "user", None)
    return bearer_token(request) is None and user is not None and user.is_authenticated
