"""Home: whether mail is all right, each area of the node, first steps, charts, and what happened last."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, resolve, reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from quazzar import rights
from quazzar.console import gate, site
from quazzar.console.pages import frame, may_open, part
from quazzar.home import chart, registry, statusline, steps, tiles
from quazzar.home.registry import Event, Link, Mail, Step
from quazzar.monitoring import readings
from quazzar.monitoring.doctor import Level
from quazzar.plans import entitlements
from quazzar.rights import LOOK_AROUND

PAGE = "admin:index"
#: How many events are shown.
_EVENTS = 12
#: The check that a dead worker fails.
_WORKER = "worker"
Linked = TypeVar("Linked", statusline.Line, tiles.Status, Event, Step)


@gate.page(LOOK_AROUND, any_plan=True)
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the complete page; its three parts fetch themselves again from the views below."""
    may_find = rights.FIND_MAIL(request.user) and entitlements.has(gate.FEATURE)
    context = {**frame(request), "title": "Home", **_now(request), **_charts(request), **_latest(request)}
    context["may_find_mail"] = may_find
    return render(request, "quazzar/home/home.html", context)


@gate.page(LOOK_AROUND, any_plan=True)
@require_safe
def now(request: HttpRequest) -> HttpResponse:
    """The status line, first steps and tiles, fetched again every few seconds."""
    return part(request, "quazzar/home/_now.html", _now(request))


@gate.page(LOOK_AROUND, any_plan=True)
@require_safe
def charts(request: HttpRequest) -> HttpResponse:
    """The charts, fetched again every minute."""
    return part(request, "quazzar/home/_charts.html", _charts(request))


@gate.page(LOOK_AROUND, any_plan=True)
@require_safe
def latest(request: HttpRequest) -> HttpResponse:
    """What happened last, fetched again every few seconds."""
    return part(request, "quazzar/home/_latest.html", _latest(request))


@gate.change(LOOK_AROUND, PAGE, any_plan=True)
def first_steps(request: HttpRequest) -> HttpResponse:
    """Hide the checklist, or show it again."""
    steps.choose(request.user, steps.SHOWN if "show" in request.POST else steps.HIDDEN)
    return redirect(PAGE)


def _now(request: HttpRequest) -> dict[str, Any]:
    user, at = request.user, timezone.now()
    if not any(right(user) for right in rights.every().values() if right.permissions):
        return {"has_no_role": True}
    parts, found = registry.parts(user), readings.read(user, at)
    statuses = [_usable(status, user) for status in tiles.every(parts, found)]
    mail = next((each.mail for each in parts if each.mail is not None), None)
    checklist = steps.Checklist(
        tuple(replace(taken, step=_usable(taken.step, user)) for taken in steps.read(user).steps)
    )
    return {
        "line": _line(user, mail, statuses, found),
        "tiles": statuses,
        "checklist": checklist,
        "shows_checklist": steps.is_shown(checklist, steps.choice_of(user)),
        "is_locked": not entitlements.has(gate.FEATURE),
        "plan": entitlements.current(),
    }


def _line(
    user: Any, mail: Mail | None, statuses: list[tiles.Status], found: list[readings.Reading]
) -> statusline.Line | None:
    worker = next((each for each in found if each.name == _WORKER and each.level is Level.FAILED), None)
    line = statusline.say(mail, statuses, worker.finding if worker else None, timezone.now())
    return _usable(line, user) if line else None


def _latest(request: HttpRequest) -> dict[str, Any]:
    newest = sorted(registry.events(request.user), key=lambda event: event.at, reverse=True)[:_EVENTS]
    return {
        "events": [
            {"event": _usable(event, request.user), "icon": icon, "tone": tone, "word": word}
            for event in newest
            for icon, tone, word in [registry.KINDS[event.kind]]
        ]
    }


def _charts(request: HttpRequest) -> dict[str, Any]:
    source = registry.traffic()
    if source is None or not source.right(request.user):
        return {}
    at = timezone.localtime()
    hours = source.hours(at - timedelta(days=7))
    return {"charts": [chart.of_hours(hours, at), chart.of_days(hours, at)], "charts_link": source.link}


def _usable(linked: Linked, user: Any) -> Linked:
    """Without its link, and the advice to follow it, if the operator may not or the plan locks the page. A tile then
    keeps the link that it has while all is well."""
    link = linked.link
    if link is None or _may_follow(user, link):
        return linked
    if isinstance(linked, tiles.Status) and (usual := linked.tile.link) and _may_follow(user, usual):
        return replace(linked, link=usual)
    without = replace(linked, link=None)
    return replace(without, advice="") if isinstance(without, statusline.Line) else without


def _may_follow(user: Any, link: Link) -> bool:
    url = reverse(link.page, args=_args(link))
    return (
        link.right(user) and may_open(user, url) and (entitlements.has(gate.FEATURE) or not _is_locked(url))
    )


def _is_locked(url: str) -> bool:
    """Whether the page at this address needs a plan that includes Mail Relay."""
    return getattr(resolve(url).func, "any_plan", True) is False


def href(link: Link) -> str:
    """The address that a link leads to."""
    return reverse(link.page, args=_args(link)) + link.tail


def _args(link: Link) -> list[int]:
    return [] if link.of is None else [link.of]


site.PAGES += [
    path("", home, name="index"),
    path("home/now/", now, name="home_now"),
    path("home/charts/", charts, name="home_charts"),
    path("home/latest/", latest, name="home_latest"),
    path("home/first-steps/", first_steps, name="home_first_steps"),
]
