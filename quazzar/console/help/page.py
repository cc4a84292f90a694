"""The help page with its search box, and the link to it in the header of each page."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from quazzar.console import gate
from quazzar.console.help.entries import Chapter, chapter_of, chapters
from quazzar.rights import LOOK_AROUND


def link(request: HttpRequest) -> str:
    """The address of the chapter for the page that is shown; empty on the help page itself."""
    route = request.resolver_match.url_name or "" if request.resolver_match else ""
    return "" if route == "help" else f"{reverse('admin:help')}#{chapter_of(route)}"


@gate.page(LOOK_AROUND, any_plan=True)
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """All chapters; with ``?q=`` those entries that have all of its words."""
    asked = request.GET.get("q", "")[:200]
    found = [
        Chapter(
            chapter.title, tuple(entry for entry in chapter.entries if entry.has(asked.casefold().split()))
        )
        for chapter in chapters()
    ]
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Help",
        "asked": asked,
        "chapters": [chapter for chapter in found if chapter.entries],
    }
    return render(request, "quazzar/help.html", context)
