"""The Returned mail page: where bounces come to, and each inbox with its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings as django_settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from mailrelay.console.returned import webhooks
from mailrelay.console.returned.forms import InboxForm
from mailrelay.inbox import fetching, owned, settings
from mailrelay.models import Inbox, RelaySettings
from mailrelay.relay import presets
from mailrelay.relay import settings as relaysettings
from quazzar import words
from quazzar.console import gate, shown
from quazzar.console.pages import frame
from quazzar.rights import CHANGE_RELAY, SEE_RELAY

PAGE = "admin:returned_mail"


@dataclass(frozen=True, slots=True)
class Line:
    """An inbox as the page shows it."""

    row: Inbox
    badge: SafeString
    error: str
    hint: str


@gate.page(SEE_RELAY)
@require_safe
def returned(request: HttpRequest) -> HttpResponse:
    """What is set up to receive bounces."""
    relay = RelaySettings.objects.defer("password").filter(pk=1).first() or RelaySettings(pk=1)
    preset = presets.by_id(relay.provider)
    context: dict[str, Any] = {
        **frame(request),
        "title": "Returned mail",
        "own": owned.addresses(),
        "own_days": django_settings.QUAZZAR_OWN_MAILBOX_DAYS,
        "own_bounces": owned.for_bounces(relay.from_address, relay.username),
        "relay": relay,
        "provider": preset.name if preset and preset.host else relay.host,
        "own_sender": relay.configured and presets.insists_on_sender(relay.provider, relay.host),
        "inboxes": [line(row) for row in Inbox.objects.order_by("pk")],
        "hooks": webhooks.hooks(),
        "may_change": CHANGE_RELAY(request.user),
    }
    return render(request, "mailrelay/returned.html", context)


@gate.change(CHANGE_RELAY, PAGE)
def use_own(request: HttpRequest) -> HttpResponse:
    """Send bounces to Quazzar's own mailbox: make it the address for bounces in the relay settings."""
    relay = RelaySettings.load()
    address = owned.for_bounces(relay.from_address, relay.username)
    if address:
        relaysettings.update({"bounce_address": address}, partial=True)
        messages.success(request, f"Bounces now go to {address}, and Quazzar reads them.")
    else:
        messages.error(request, "Quazzar's own mailbox gets no bounces in the domain of the from address.")
    return redirect(PAGE)


def line(row: Inbox) -> Line:
    """The row with what the page says about it."""
    error = row.last_error or {}
    if not row.enabled:
        badge = shown.badge("Off", "off")
    elif error:
        badge = shown.badge("Cannot be read", "bad")
    else:
        badge = shown.badge("Works", "ok") if row.looked_at else shown.badge("Not read yet", "wait")
    return Line(row, badge, error.get("message", ""), error.get("hint", ""))


@gate.page(CHANGE_RELAY)
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password")
def add(request: HttpRequest) -> HttpResponse:
    """The form of a new inbox; saving it looks into it at once."""
    return _form(request, None)


@gate.page(CHANGE_RELAY)
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The form of an inbox; saving it looks into it at once."""
    return _form(request, get_object_or_404(Inbox, pk=pk, owned=False))


def _form(request: HttpRequest, row: Inbox | None) -> HttpResponse:
    form = InboxForm(request.POST if request.method == "POST" else None, row=row)
    saved = form.save() if request.method == "POST" else None
    if saved is None:
        title = "Inbox" if row else "Add an inbox"
        context = {**frame(request), "form": form, "row": row, "title": title}
        return render(request, "mailrelay/inbox.html", context)
    if saved.enabled:
        _look(request, saved)
    else:
        messages.success(request, "Saved. This inbox is switched off.")
    return redirect(PAGE)


@gate.change(CHANGE_RELAY, PAGE)
def look(request: HttpRequest, pk: int) -> HttpResponse:
    """Look into an inbox now."""
    _look(request, get_object_or_404(Inbox, pk=pk))
    return redirect(PAGE)


def _look(request: HttpRequest, row: Inbox) -> None:
    number = fetching.look(row)
    row.refresh_from_db(fields=["last_error"])
    if row.last_error:
        messages.error(request, f"{row.last_error['message']} {row.last_error['hint']}".strip())
    else:
        messages.success(request, f"{row} was read: {words.count(number, 'new report')}.")


@gate.change(CHANGE_RELAY, PAGE)
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove an inbox; what was read from it stays."""
    row = get_object_or_404(Inbox, pk=pk, owned=False)
    settings.remove(pk)
    messages.success(request, f"{row} is no longer read.")
    return redirect(PAGE)
