"""The server's own settings and what can be seen of it: relay, interruption, Rspamd's password, logs, compose."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from mailboxes.console import access, pages
from mailboxes.engine import connect as engines
from mailboxes.models import Stack
from mailboxes.stack import logs as reading
from mailboxes.stack import settings as stacksettings
from mailboxes.stack.blueprint import compose as composing
from quazzar.access import audit
from quazzar.errors import QuazzarError

_TAIL = 300
_RSPAMD_WEB = 11334
PAGE = "admin:mail_boxes_server"


@access.change(access.change_server)
def through_relay(request: HttpRequest) -> HttpResponse:
    """Mail to other servers leaves through the relay settings, or straight."""
    on = request.POST.get("on") == "on"
    try:
        stacksettings.change(send_through_relay=on)
    except QuazzarError as exc:
        return pages.refused(request, exc, PAGE)
    how = "leaves through the relay" if on else "goes straight to its destination"
    return pages.done(request, f"Mail from the mail server now {how}.", PAGE)


@access.change(access.change_server)
def warn_owners(request: HttpRequest) -> HttpResponse:
    """Owners of nearly full mailboxes are mailed too, or not."""
    on = request.POST.get("on") == "on"
    try:
        stacksettings.change(warn_mailbox_owners=on)
    except QuazzarError as exc:
        return pages.refused(request, exc, PAGE)
    who = "their owners too" if on else "the alert recipients only"
    return pages.done(request, f"Warnings about full mailboxes go to {who}.", PAGE)


@access.change(access.change_server)
def interruption(request: HttpRequest) -> HttpResponse:
    """What interrupts mail is done now."""
    stacksettings.allow_interruption()
    return pages.done(request, "It is being done now; mail waits for a few seconds.", PAGE)


@access.change(access.change_server)
def controller_password(request: HttpRequest) -> HttpResponse:
    """Rspamd's password, shown to who asks for it."""
    return _with_password(request)


def _with_password(request: HttpRequest) -> HttpResponse:
    password = Stack.load().controller_password
    shown = password.reveal() if password is not None and password.readable else ""
    if shown:
        audit.record("stack.controller_password_shown", stacksettings.TARGET)
    context = {
        "password": shown,
        "state": "none" if password is None else "saved" if shown else "unreadable",
        "port": _RSPAMD_WEB + settings.QUAZZAR_STACK_PORT_OFFSET,
    }
    return pages.dialog(request, "_controller.html", context)


@access.change(access.change_server)
def new_controller_password(request: HttpRequest) -> HttpResponse:
    """Another one; the old one stops working."""
    try:
        stacksettings.new_controller_password()
    except QuazzarError as exc:
        return pages.refused(request, exc, PAGE)
    return _with_password(request)


@access.page(access.see_server)
@require_safe
def logs(request: HttpRequest) -> HttpResponse:
    """The last lines of one container, or of all."""
    service = request.GET.get("service", "")
    context: dict[str, object] = {"service": service if service in reading.SERVICES else ""}
    try:
        with engines.connect() as engine:
            context["text"] = reading.read(str(context["service"]), _TAIL, engine)
    except QuazzarError as exc:
        context["error"] = exc
    return render(request, "mailboxes/_logs.html", context)


@access.page(access.see_server)
@require_safe
def compose(request: HttpRequest) -> HttpResponse:
    """The same stack as a file for Docker Compose; no secret is in it."""
    try:
        text = composing.export()
    except QuazzarError as exc:
        messages.error(request, f"{exc.message} {exc.hint}".strip())
        return redirect(PAGE)
    headers = {"Content-Disposition": 'attachment; filename="docker-compose.yml"'}
    return HttpResponse(text, content_type="text/yaml; charset=utf-8", headers=headers)
