"""The markup of pages: how tests read it, that it does without what our Content-Security-Policy forbids, and that no
two elements of a page have the same id: links, labels and htmx would take the first one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

#: What browsers would refuse, or nothing would read: script, styles and handlers in the page, and Alpine's attributes.
_FORBIDDEN = re.compile(
    r"""<script(?![^>]*\ssrc=)(?![^>]*type="application/json")[^>]*>"""
    r"""|<style\b|\sstyle=["'][^"']*|\son[a-z]+=["'][^"']*|\s(?:x-[a-z]|@[a-z])[\w.:-]*=["'][^"']*|\shx-on[\w:-]*="""
    r"""|hx-trigger="[^"]*\[[^"]*|hx-(?:vals|headers)=["']js:[^"']*"""
)
_ID = re.compile(r"""<[a-z][^<>]*?\sid=["']([^"']+)""")
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
            twice = repeated_ids(response.content.decode())
            assert not twice, f"{request.path}: more than one element has the id {twice}"
        return response


def forbidden(page: str) -> list[str]:
    """What the policy forbids in this page."""
    return [match[0].strip() for match in _FORBIDDEN.finditer(_TEXT.sub("", page))]


def repeated_ids(page: str) -> list[str]:
    """The ids that more than one element of this page has."""
    counts = Counter(match[1] for match in _ID.finditer(re.sub(r"<!--.*?-->", "", page, flags=re.DOTALL)))
    return [name for name, count in counts.items() if count > 1]
