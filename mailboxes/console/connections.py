"""Connection settings of one mailbox: the panel, whether it is live yet, and the files for mail programs."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from mailboxes import autoconfig as files
from mailboxes.console import access, connection, pages, states
from mailboxes.models import Mailbox, Stack
from quazzar.console import gate
from quazzar.plans import entitlements

APPLE = "application/x-apple-aspen-config"


@access.page(access.see_mailboxes)
@require_safe
def panel(request: HttpRequest, pk: int) -> HttpResponse:
    """What its owner types into a mail program."""
    return pages.dialog(request, "_connection.html", connection.context(request, _live(pk)))


@access.page(access.see_mailboxes)
@require_safe
def live(request: HttpRequest, pk: int) -> HttpResponse:
    """Whether the running stack has it, asked again every second until it does."""
    stack, row = Stack.load(), _live(pk)
    context = {"row": row, "stack": stack, "mark": states.of_row(row, enabled=stack.enabled)}
    return render(request, "mailboxes/_live.html", context)


@access.page(access.see_mailboxes)
@require_safe
def profile(request: HttpRequest, pk: int) -> HttpResponse:
    """A profile for Apple's mail programs."""
    return _profile(_live(pk))


@access.page(access.see_mailboxes)
@require_safe
def autoconfig(request: HttpRequest, pk: int) -> HttpResponse:
    """What Thunderbird reads."""
    row = _live(pk)
    text = files.thunderbird(row.address, _hostname(), settings.QUAZZAR_STACK_PORT_OFFSET)
    return _file(text, "application/xml", "config-v1.1.xml")


@never_cache
@require_safe
def scanned(request: HttpRequest, ticket: str) -> HttpResponse:
    """The profile for a phone that scanned the code: it is not signed in, the ticket is what lets it."""
    row = connection.of_ticket(ticket)
    if row is None or not entitlements.has(gate.FEATURE):
        raise Http404
    return _profile(row)


def _profile(row: Mailbox) -> HttpResponse:
    offset = settings.QUAZZAR_STACK_PORT_OFFSET
    content = files.apple_profile(row.address, row.display_name, _hostname(), offset)
    return _file(content, APPLE, "mail.mobileconfig")


def _file(content: str | bytes, kind: str, name: str) -> HttpResponse:
    return HttpResponse(
        content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _hostname() -> str:
    hostname = Stack.load().hostname
    if not hostname:
        raise Http404("There is no mail server yet.")
    return hostname


def _live(pk: int) -> Mailbox:
    return get_object_or_404(Mailbox, pk=pk, deleted_at=None)
