"""What every page of the tab is made of: its frame, parts for HTMX, dialogs, and the answer to what was done."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone

from mailboxes.console import access, listing, states
from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.provisioning import retention
from mailrelay.models import RelaySettings
from quazzar.console import gate, upgrade
from quazzar.errors import QuazzarError

TITLE = "Mail Relay"
#: Days before its end from which a certificate is warned about.
CERTIFICATE_WARNING_DAYS = 21


def page(request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """A whole page with the tabs."""
    whole = {**frame(request), **state(request), **context}
    return render(request, f"mailboxes/{template}", whole, status=status)


def frame(request: HttpRequest) -> dict[str, Any]:
    """What the page's frame needs: the sidebar, the tabs, the plan."""
    return {
        **admin.site.each_context(request),
        **upgrade.dialog(request, gate.FEATURE, None),
        "title": TITLE,
        "may_upgrade": gate.may_change(request.user),
    }


def state(request: HttpRequest) -> dict[str, Any]:
    """What the head of each page says: the server's state, and how much of everything there is."""
    stack = Stack.load()
    expires = stack.tls_expires_at
    return {
        "stack": stack,
        "stage": states.stage(stack),
        "badge": states.of_stack(stack),
        "services": states.services(stack),
        "changes": max(0, stack.desired_generation - stack.applied_generation),
        "unreadable": listing.unreadable().count(),
        "certificate_days": (expires - timezone.now()).days if expires else None,
        "certificate_warning": CERTIFICATE_WARNING_DAYS,
        "relay": RelaySettings.load(),
        "counts": counts(),
        "may": permissions(request.user),
        "restore_days": settings.QUAZZAR_RESTORE_DAYS,
        "here": getattr(request.resolver_match, "url_name", ""),
    }


def permissions(user: Any) -> dict[str, bool]:
    """What templates ask for."""
    return {
        "see_server": access.see_server(user),
        "change_server": access.change_server(user),
        "see_mailboxes": access.see_mailboxes(user),
        "add_mailboxes": access.add_mailboxes(user),
        "change_mailboxes": access.change_mailboxes(user),
        "delete_mailboxes": access.delete_mailboxes(user),
        "see_domains": access.see_domains(user),
        "see_aliases": access.see_aliases(user),
        **{
            f"{verb}_{noun}": access.may(f"{verb}_{noun}")(user)
            for noun in ("domain", "alias")
            for verb in ("add", "change", "delete")
        },
        "change_relay": gate.may_change(user),
    }


def counts() -> dict[str, int]:
    """How much of everything there is."""
    return {
        "mailboxes": Mailbox.objects.filter(deleted_at=None).count(),
        "deleted": retention.restorable(timezone.now()).count(),
        "aliases": Alias.objects.count(),
        "domains": Domain.objects.count(),
    }


# --- parts of a page


def part(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """A part that is fetched again and again: nothing comes where it has not changed since."""
    html = render_to_string(f"mailboxes/{template}", context, request)
    digest = hashlib.sha256(html.encode()).hexdigest()[:16]
    if request.GET.get("seen") == digest:
        return HttpResponse(status=204)
    return HttpResponse(f'<input type="hidden" name="seen" value="{digest}">{html}')


def reload() -> HttpResponse:
    """Another page is due here."""
    return HttpResponse(headers={"HX-Refresh": "true"})


def dialog(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """A dialog's content; without HTMX a page with the same content."""
    context = {"may": permissions(request.user), "restore_days": settings.QUAZZAR_RESTORE_DAYS, **context}
    if access.by_htmx(request):
        return render(request, f"mailboxes/{template}", context)
    return page(request, "dialog.html", {"dialog_template": f"mailboxes/{template}", **context})


# --- answers to what was done


def done(request: HttpRequest, sentence: str, to: str = "admin:mail_boxes") -> HttpResponse:
    """It worked: the dialog closes, the lists are fetched again, and a sentence says what was done."""
    if not access.by_htmx(request):
        messages.success(request, sentence)
        return redirect(to)
    return _told(sentence, "success", {"mailboxes-changed": "", "mailboxes-close": ""})


def refused(request: HttpRequest, error: QuazzarError, to: str = "admin:mail_boxes") -> HttpResponse:
    """It did not: a sentence says why."""
    sentence = said(error)
    if not access.by_htmx(request):
        messages.error(request, sentence)
        return redirect(to)
    return _told(sentence, "error", {"mailboxes-changed": ""})


def said(error: QuazzarError) -> str:
    """What went wrong and what to do, in one line."""
    fields: dict[str, list[str]] = getattr(error, "fields", {})
    return (
        " ".join(each for told in fields.values() for each in told) or f"{error.message} {error.hint}".strip()
    )


def _told(sentence: str, level: str, events: dict[str, str]) -> HttpResponse:
    told = json.dumps({**events, "mailboxes-told": {"text": sentence, "level": level}})
    return HttpResponse(status=204, headers={"HX-Trigger": told})
