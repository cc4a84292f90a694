"""Renderers: text files as they are, and every endpoint as a page for operators who are signed in to the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.renderers import BaseRenderer, BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import override_method

from quazzar.api.browsable import pages

if TYPE_CHECKING:
    from rest_framework.request import Request


def answer_in_json(request: Any) -> None:
    """Render the answer to this request as JSON, whatever its view renders otherwise."""
    request.accepted_renderer = JSONRenderer()
    request.accepted_media_type = JSONRenderer.media_type


class ConsolePages(BrowsableAPIRenderer):
    """A page with the answer and a form for each method. Only a session of the console gets it: negotiation.py."""

    def get_content(
        self, renderer: Any, data: Any, accepted_media_type: str | None, renderer_context: Any
    ) -> str:
        """Return the answer as another client would get it, JSON indented."""
        if data is None:
            return ""
        if not isinstance(data, str):
            renderer = JSONRenderer()
        text: str = super().get_content(renderer, data, accepted_media_type or "", renderer_context)
        return text

    def get_context(
        self, data: Any, accepted_media_type: str | None, renderer_context: Any
    ) -> dict[str, Any]:
        """Return what the template shows."""
        view, request = renderer_context["view"], renderer_context["request"]
        response = renderer_context["response"]
        methods = () if pages.is_gone(view, response.status_code) else pages.METHODS
        renderer = self.get_default_renderer(view)
        content = self.get_content(renderer, data, accepted_media_type, renderer_context)
        return {
            "forms": [form for method in methods if (form := self._form(data, view, method, request))],
            **pages.context(view, request, response, data, content),
        }

    def _form(self, data: Any, view: Any, method: str, request: Request) -> pages.Form | None:
        with override_method(view, request, method) as overridden:
            if not self.show_form_for_method(view, method, overridden, None):
                return None
            return pages.form(view, method, data)


class PlainText(BaseRenderer):
    """Text as it is."""

    media_type = "text/plain"
    format = "txt"
    charset = "utf-8"

    def render(self, data: Any, *_: Any, **__: Any) -> Any:
        """Return the text without any change, whatever format was asked for."""
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
