"""The markup of pages: how tests read it, and that it does without what our Content-Security-Policy forbids."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

#: What browsers would refuse, or nothing would read: script, styles and handlers in the page, and Alpine's attributes.
_FORBIDDEN = re.compile(
    r"""<script(?![^>]*\ssrc=)(?![^>]*type="application/json")[^>]*>"""
    r"""|<style\b|\sstyle=["'][^"']*|\son[a-z]+=["'][^"']*|\s(?:x-[a-z]|@[a-z])[\w.:-]*=["'][^"']*|\shx-on[\w:-]*="""
    r"""|hx-trigger="[^"]*\[[^"]*|hx-(?:vals|headers)=["']js:[^"']*"""
)
_TEXT = re.compile(r"<(pre|textarea|code)\b.*?</\1>|<!--.*?-->", re.DOTALL)


def html(answer: Any) -> str:
    """The page of an answer of Django's test client."""
    return str(answer.content.decode())


class Markup:
    """A middleware of the tests' settings."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.get("Content-Type", "").startswith("text/html") and not response.streaming:
            # Swagger UI's page may have styles, and so may the HTML of a mail, which has a policy of its own.
            styled = request.path == "/api/docs" or request.path.endswith("/html/")
            found = [] if styled else forbidden(response.content.decode())
            assert not found, f"{request.path}: the Content-Security-Policy forbids {found[:5]}"
        return response


def forbidden(page: str) -> list[str]:
    """What the policy forbids in this page."""
    return [match[0].strip() for match in _FORBIDDEN.finditer(_TEXT.sub("", page))]
