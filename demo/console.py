"""Captured mail: a list that refreshes itself, and a page for each mail that the demo's relay accepted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from demo import environment, store
from demo.store import Captured
from mailrelay.console import preview
from mailrelay.mail import addresslists, rawmail
from mailrelay.models import Message
from quazzar.console import gate
from quazzar.console.pages import frame, number, part
from quazzar.rights import READ_MESSAGES

TITLE = "Captured mail"
_A_PAGE = 25


def _folder() -> Path:
    return Path(settings.QUAZZAR_DATA_DIR) / environment.CAPTURED


@gate.page(READ_MESSAGES)
@require_safe
def captured(request: HttpRequest) -> HttpResponse:
    """The list; HTMX gets its rows alone, or 204 when they have not changed."""
    before = number(request, "before")
    found = store.listed(_folder(), _A_PAGE + 1, before)
    rows = [_shown(mail) for mail in found[:_A_PAGE]]
    context = {
        "rows": rows,
        "older": f"?before={found[_A_PAGE - 1].number}" if len(found) > _A_PAGE else "",
        "begins": before is None,
    }
    if request.headers.get("HX-Target", "") == "list":
        return part(request, "demo/_captured.html", context)
    return render(request, "demo/captured.html", {**frame(request), "title": TITLE, **context})


def _shown(mail: Captured) -> dict[str, Any]:
    head = rawmail.read(mail.data)
    return {
        "mail": mail,
        "subject": addresslists.decoded(head.get("subject")),
        "from": ", ".join(str(person) for person in head.mailboxes("from")) or mail.sender,
        "to": ", ".join(mail.recipients),
        "message_id": head.get("message-id"),
    }


def _found(number: int) -> Captured:
    """The mail.

    Raises:
        Http404: there is none.
    """
    mail = store.find(_folder(), number)
    if mail is None:
        raise Http404("This captured mail does not exist.")
    return mail


@gate.page(READ_MESSAGES)
@require_safe
def one(request: HttpRequest, number: int) -> HttpResponse:
    """A captured mail: its envelope and its content."""
    mail = _found(number)
    shown, content = _shown(mail), preview.opened(mail.data, "captured", number)
    # Remote pictures are not loaded: no request leaves the machine.
    content["mail"] = replace(content["mail"], names_remote=False)
    message = Message.objects.filter(message_id=shown["message_id"]).only("pk").first()
    context = {**frame(request), "title": TITLE, "shown": shown, "message": message, **content}
    return render(request, "demo/one.html", context)


@gate.page(READ_MESSAGES)
@require_safe
@xframe_options_sameorigin
def html(request: HttpRequest, number: int) -> HttpResponse:
    """The cleaned HTML for the sandboxed frame."""
    return preview.framed(_found(number).data, remote=False)


@gate.page(READ_MESSAGES)
@require_safe
def source(request: HttpRequest, number: int) -> HttpResponse:
    """The complete mail as a file."""
    return preview.download(_found(number).data, "message/rfc822", f"captured-{number}.eml")


@gate.page(READ_MESSAGES)
@require_safe
def attachment(request: HttpRequest, number: int, index: int) -> HttpResponse:
    """One attached file, always as a download."""
    return preview.attached(_found(number).data, index)


_BASE = "captured/<int:number>/"
ROUTES: list[URLPattern] = [
    path("captured/", captured, name="captured"),
    path(_BASE, one, name="captured_mail"),
    path(f"{_BASE}html/", html, name="captured_html"),
    path(f"{_BASE}source/", source, name="captured_source"),
    path(f"{_BASE}files/<int:index>/", attachment, name="captured_file"),
]
