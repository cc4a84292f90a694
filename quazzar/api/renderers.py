"""The browsable API: every endpoint as a page, for operators who are signed in to the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer

if TYPE_CHECKING:
    from rest_framework.request import Request


class ConsolePages(BrowsableAPIRenderer):
    """A page with the answer and a form for each method. Only a session of the console gets it: negotiation.py."""

    def get_filter_form(self, data: Any, view: Any, request: Request) -> str | None:
        """Return the form of a list's filters, where the list has any."""
        return (
            super().get_filter_form(data, view, request) if getattr(view, "filter_backends", None) else None
        )


class PlainText(BaseRenderer):
    """Text as it is."""

    media_type = "text/plain"
    format = "txt"
    charset = "utf-8"

    def render(self, data: Any, *_: Any, **__: Any) -> Any:
        """Return the text."""
        return data


class Yaml(PlainText):
    """A YAML file, as text."""

    media_type = "text/yaml"
    format = "yaml"


class Csv(PlainText):
    """A CSV file, as text."""

    media_type = "text/csv"
    format = "csv"
    content_type = f"{media_type}; charset=utf-8"


class ZoneFile(PlainText):
    """A DNS zone file, as text (RFC 4027)."""

    media_type = "text/dns"
    format = "zone"
