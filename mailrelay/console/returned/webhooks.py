"""Webhooks of providers on the Returned mail page: the address to paste, the key, the latest call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from mailrelay.events import settings
from mailrelay.events.providers import PROVIDERS, Provider
from mailrelay.models import EventSource
from quazzar.console import gate, shown
from quazzar.console.forms import SavingForm, text_input
from quazzar.console.pages import frame
from quazzar.rights import CHANGE_RELAY

PAGE, EDIT = "admin:returned_mail", "admin:webhook"


@dataclass(frozen=True, slots=True)
class Hook:
    """A provider and its webhook, if there is one."""

    provider: Provider
    row: EventSource | None
    badge: SafeString


class KeyForm(SavingForm):
    """The key that a provider's calls are checked with."""

    key = forms.CharField(required=False, widget=text_input())

    def __init__(self, data: Any = None, *, provider: Provider) -> None:
        self.provider = provider
        super().__init__(data)

    def save(self) -> EventSource | None:
        """Make the webhook, or change its key."""
        return self.attempt(lambda values: settings.save(self.provider.id, values["key"]))


def hooks() -> list[Hook]:
    """Every provider, with its webhook and its state in a word."""
    rows = {row.provider: row for row in EventSource.objects.all()}
    return [Hook(provider, rows.get(id_), _badge(rows.get(id_))) for id_, provider in PROVIDERS.items()]


def _badge(row: EventSource | None) -> SafeString:
    if row is None:
        return shown.badge("Not set up", "off")
    if row.refused_at and (row.last_event_at is None or row.refused_at > row.last_event_at):
        return shown.badge("Last call refused", "bad")
    return shown.badge("Works", "ok") if row.last_event_at else shown.badge("No call yet", "wait")


def _provider(name: str) -> Provider:
    if name not in PROVIDERS:
        raise Http404
    return PROVIDERS[name]


@gate.page(CHANGE_RELAY)
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("key")
def edit(request: HttpRequest, provider: str) -> HttpResponse:
    """One webhook: how to set it up at the provider, its address and its key."""
    known = _provider(provider)
    form = KeyForm(request.POST if request.method == "POST" else None, provider=known)
    if request.method == "POST" and form.save() is not None:
        messages.success(request, f"Saved. Now paste the address into {known.name}.")
        return redirect(EDIT, provider)
    row = EventSource.objects.filter(provider=provider).first()
    address = ""
    if row is not None and row.token.readable:
        address = request.build_absolute_uri(f"/api/mail/events/{provider}/{row.token.reveal()}")
    context = {
        **frame(request),
        "title": f"{known.name} events",
        "provider": known,
        "row": row,
        "form": form,
        "address": address,
        "is_open": address.startswith("https://"),
    }
    return render(request, "mailrelay/webhook.html", context)


@gate.change(CHANGE_RELAY, PAGE)
def renew(request: HttpRequest, provider: str) -> HttpResponse:
    """Give the webhook another address."""
    known = _provider(provider)
    settings.renew(known.id)
    messages.success(
        request, f"The old address no longer works. Paste the new one, below, into {known.name}."
    )
    return redirect(EDIT, provider)


@gate.change(CHANGE_RELAY, PAGE)
def remove(request: HttpRequest, provider: str) -> HttpResponse:
    """Forget the address and the key: what the provider sends there is refused from now on."""
    known = _provider(provider)
    settings.remove(known.id)
    messages.success(request, f"Events of {known.name} are no longer accepted.")
    return redirect(PAGE)
