"""The page of what waits in Postfix: why, mail by mail, and retry, hold, release and delete."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_safe

from mailboxes.console import access, pages
from mailboxes.console.urls import BASE
from mailboxes.engine import connect
from mailboxes.mailqueue import handling, listing, retrying, watch
from mailboxes.mailqueue.listing import Waiting
from mailboxes.models import JourneyKey
from quazzar import words
from quazzar.console import gate
from quazzar.console.pages import done, part, refused
from quazzar.errors import QuazzarError

PAGE = "admin:mail_boxes_queue"
_LONGEST = 200
_MOST_NAMED = 20
#: Act → label, icon, and what it says when it is done.
ACTS = {
    "hold": ("Hold", "pause_circle", "{} put on hold. Postfix tries nothing on hold until you release it."),
    "release": ("Release", "play_circle", "{} released."),
}


@access.page(access.see_server)
@require_safe
def queue(request: HttpRequest) -> HttpResponse:
    """The mail that waits now; HTMX gets the list alone, or 204 when it has not changed."""
    text = request.GET.get("q", "").strip()[:_LONGEST]
    context: dict[str, Any] = {"q": text, "here": f"?{urlencode({'q': text})}" if text else ""}
    which = "these" if text else "all"
    context["labels"] = {"hold": f"Hold {which}", "release": f"Release {which}"}
    try:
        found = watch.waiting()
        context |= {"is_off": True} if found is None else _listed(found, text)
    except QuazzarError as exc:
        context["error"] = exc
    if request.headers.get("HX-Target") == "list":
        return part(request, "mailboxes/_queue.html", {"may": access.permissions(request.user), **context})
    return pages.page(request, "queue.html", context)


def _listed(found: dict[str, Any], text: str) -> dict[str, Any]:
    mails = [mail for mail in found["messages"] if _has(mail, text.lower())]
    journeys = dict(
        JourneyKey.objects.filter(key__in=[f"q:{mail.id}" for mail in mails])
        .order_by("journey_id")
        .values_list("key", "journey_id")
    )
    summary = listing.summarise(mails, len(mails))
    return {
        "count": found["count"],
        "mails": [(mail, journeys.get(f"q:{mail.id}"), _by_reason(mail)) for mail in mails],
        "reasons": [(watch.line(reason), reason.text) for reason in summary.reasons[:5]],
        "held": sum(mail.queue == "hold" for mail in mails),
    }


def _by_reason(mail: Waiting) -> list[tuple[list[str], str]]:
    """The recipients who wait for the same thing, and what that is in Postfix's words about the first of them."""
    grouped: dict[tuple[str, str], tuple[list[str], str]] = {}
    for one in mail.recipients:
        grouped.setdefault(listing.spoken(one.reason), ([], one.reason))[0].append(one.address)
    return list(grouped.values())


def _has(mail: Waiting, text: str) -> bool:
    """Whether the text is in an address, the id or a reason of the mail."""
    parts = [mail.id, mail.sender, *(part for one in mail.recipients for part in (one.address, one.reason))]
    # Reasons are grouped by words without the parts that differ, which the page links to.
    parts += [listing.spoken(one.reason)[0] for one in mail.recipients]
    return any(text in one.lower() for one in parts)


def _ids(request: HttpRequest) -> list[str]:
    """The mails that the form names; with ``all``, those that the search finds now."""
    posted = request.POST if request.method == "POST" else request.GET
    if not posted.get("all"):
        return [one for one in posted.get("ids", "").split(",") if one]
    with connect.to_docker() as engine:
        found = watch.listing_of(engine)["messages"]
    return [mail.id for mail in found if _has(mail, posted.get("q", "").strip().lower())]


@access.change(access.change_server)
def retry(request: HttpRequest) -> HttpResponse:
    """Try one mail in Postfix's queue again now, or all of them."""
    try:
        with connect.to_docker() as engine:
            count = retrying.retry(engine, request.POST.get("id", ""))
    except QuazzarError as exc:
        return refused(request, exc, PAGE)
    said = (
        f"Retrying {words.count(count, 'mail')} now." if count else "No mail waits, apart from mail on hold."
    )
    return done(request, said, PAGE)


def _act(act: str) -> Callable[[HttpRequest], HttpResponse]:
    def view(request: HttpRequest) -> HttpResponse:
        """Do it with the mails that the form names."""
        try:
            with connect.to_docker() as engine:
                count = handling.handle(engine, act, _ids(request))
        except QuazzarError as exc:
            return refused(request, exc, PAGE)
        return done(request, ACTS[act][2].format(words.count(count, "mail")), PAGE)

    return view


hold = access.change(access.change_server)(_act("hold"))
release = access.change(access.change_server)(_act("release"))


@access.page(access.change_server)
def delete(request: HttpRequest) -> HttpResponse:
    """Ask on a GET, delete on a POST."""
    try:
        ids = _ids(request)
        if request.method == "POST":
            with connect.to_docker() as engine:
                count = handling.handle(engine, "delete", ids)
            return done(request, f"{words.count(count, 'mail')} deleted from the queue.", PAGE)
        with connect.to_docker() as engine:
            waiting = {mail.id: mail for mail in watch.ask(engine)[0]}
    except QuazzarError as exc:
        return refused(request, exc, PAGE)
    mails = [waiting[one] for one in ids if one in waiting]
    if not mails and not gate.by_htmx(request):
        return redirect(PAGE)
    context = {
        "what": words.count(len(mails), "mail"),
        "ids": ",".join(mail.id for mail in mails),
        "names": [_named(mail) for mail in mails[:_MOST_NAMED]],
        "more": len(mails) - _MOST_NAMED,
        "back": reverse(PAGE),
    }
    return pages.dialog(request, "_queue_delete.html", context)


def _named(mail: Waiting) -> str:
    to = words.listed([one.address for one in mail.recipients[:3]])
    return f"{mail.id}: from {mail.sender or 'the null sender'} to {to}"


ROUTES: list[URLPattern] = [
    path(f"{BASE}queue/", queue, name="mail_boxes_queue"),
    path(f"{BASE}queue/retry/", retry, name="mail_boxes_queue_retry"),
    path(f"{BASE}queue/hold/", hold, name="mail_boxes_queue_hold"),
    path(f"{BASE}queue/release/", release, name="mail_boxes_queue_release"),
    path(f"{BASE}queue/delete/", delete, name="mail_boxes_queue_delete"),
]
