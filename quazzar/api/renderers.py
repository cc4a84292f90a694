"""The browsable API: every endpoint as a page, for operators who are signed in to the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.renderers import BrowsableAPIRenderer

if TYPE_CHECKING:
    from rest_framework.request import Request


class ConsolePages(BrowsableAPIRenderer):
    """A page with the answer and a form for each method. Only a session of the console gets it: negotiation.py."""

    def get_filter_form(self, data: Any, view: Any, request: Request) -> str | None:
        """Return the form of a list's filters, where the list has any."""
        return (
            super().get_filter_form(data, view, request) if getattr(view, "filter_backends", None) else None
        )
