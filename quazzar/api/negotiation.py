"""Which renderer answers: what is asked for, else the view's first one. No refusal before 401 and 402."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import Http404
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rest_framework.renderers import BaseRenderer
    from rest_framework.request import Request


class LenientNegotiation(DefaultContentNegotiation):
    """RFC 9110, 12.5.1: a server may disregard Accept rather than answer 406."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The renderer and its media type."""
        known = list(renderers)
        try:
            chosen: Any = super().select_renderer(request, known, format_suffix)
        except (Http404, NotAcceptable):
            chosen = (known[0], known[0].media_type)
        return chosen  # type: ignore[no-any-return]
