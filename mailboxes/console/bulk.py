"""Bulk actions of the tab's lists: a confirmation says how many rows and which, then they are changed at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_http_methods

from mailboxes.console import pages
from mailboxes.console.listing import Listing
from quazzar import words
from quazzar.console import gate
from quazzar.console.pages import CHANGED, done, sentence
from quazzar.errors import QuazzarError
from quazzar.rights import Right

#: Rows that the confirmation names; the rest it counts.
MOST_NAMED = 100


@dataclass(frozen=True, slots=True)
class Result:
    """What an action came to: a sentence, and one more for each row that it had to leave as it was."""

    sentence: str
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Action:
    """Something that can be done to many rows.

    Attributes:
        name: its part of the address and of the route's name.
        label: the word on its buttons, such as "Disable".
        consequence: what the confirmation says will happen.
        run: does it to the rows with these ids.
    """

    name: str
    label: str
    icon: str
    allowed: Right
    consequence: str
    run: Callable[[list[int]], Result]
    dangerous: bool = False


@dataclass(frozen=True, slots=True)
class Bulk:
    """A list of the tab, and what can be done to many of its rows.

    Attributes:
        nouns: its rows in words, one and many: "mailbox,mailboxes".
        page: the list's route.
        column: what names a row.
        listed: the rows that the list shows for a query.
    """

    nouns: str
    page: str
    column: str
    listed: Callable[[Mapping[str, str]], Listing]
    actions: Sequence[Action]

    def counted(self, number: int) -> str:
        """The number with its noun, such as ``3 mailboxes``."""
        return words.count(number, *self.nouns.split(","))

    def buttons(self, user: Any) -> list[dict[str, Any]]:
        """The actions that the user may take, with their addresses."""
        return [
            {"action": action, "url": reverse(f"{self.page}_{action.name}")}
            for action in self.actions
            if action.allowed(user)
        ]

    def routes(self, base: str) -> list[URLPattern]:
        """A route for each action, below the list's address."""
        name = self.page.removeprefix("admin:")
        return [
            path(f"{base}selected/{action.name}/", _view(self, action), name=f"{name}_{action.name}")
            for action in self.actions
        ]

    def selected(self, request: HttpRequest) -> dict[int, str]:
        """Id → name of the ticked rows, or with ``all`` of every row that matches the list's search."""
        rows: QuerySet[Any]
        if "all" in request.GET:
            rows = self.listed(request.GET.dict()).rows
        else:
            rows = self.listed({}).rows.filter(pk__in=_ids(request.GET.getlist("pk")))
        return dict(rows.order_by(self.column).values_list("pk", self.column))


def _view(bulk: Bulk, action: Action) -> gate.View:
    @gate.page(action.allowed)
    @require_http_methods(["GET", "HEAD", "POST"])
    def view(request: HttpRequest) -> HttpResponse:
        """Ask on a GET, act on a POST."""
        if request.method == "POST":
            return _act(request, bulk, action)
        return _ask(request, bulk, action)

    return view


def _ask(request: HttpRequest, bulk: Bulk, action: Action) -> HttpResponse:
    selected = bulk.selected(request)
    names = list(selected.values())
    context = {
        "action": action,
        "what": bulk.counted(len(names)),
        "names": names[:MOST_NAMED],
        "more": len(names) - MOST_NAMED,
        # One field however many they are: exactly these rows are changed, whatever the search matches by then.
        "ids": ",".join(map(str, selected)),
        "back": reverse(bulk.page),
    }
    return pages.dialog(request, "_bulk_confirm.html", context)


def _act(request: HttpRequest, bulk: Bulk, action: Action) -> HttpResponse:
    try:
        result = action.run(_ids(request.POST.get("ids", "").split(",")))
    except QuazzarError as exc:
        result = Result("Nothing was changed.", [sentence(exc)])
    if not result.problems:
        return done(request, result.sentence, bulk.page)
    answer = pages.dialog(request, "_bulk_result.html", {"result": result, "back": reverse(bulk.page)})
    answer["HX-Trigger"] = CHANGED
    return answer


def _ids(texts: Sequence[str]) -> list[int]:
    return [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 19]
