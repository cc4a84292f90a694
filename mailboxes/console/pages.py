"""What every page of the tab is made of: its head, dialogs, and the way back to a list."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from mailboxes.certificates.state import read as read_certificate
from mailboxes.console import access, listing, states
from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.provisioning import retention
from mailrelay.models import RelaySettings
from quazzar import words
from quazzar.console import gate
from quazzar.console.pages import frame, part

LIST, DELETED, ALIASES, DOMAINS, SERVER, IMPORT = (
    f"admin:mail_boxes_{name}" for name in ("list", "deleted", "aliases", "domains", "server", "import")
)

#: How the names of routes begin, after ``mail_boxes_``: the part of the navigation. Any other belongs to the server.
SECTIONS = {
    "alias": "aliases",
    "domain": "domains",
    "deleted": "deleted",
    "restore": "deleted",
    "import": "import",
    "queue": "queue",
    **dict.fromkeys(("list", "add", "edit", "delete", "connection", "autoconfig", "profile", "live"), "list"),
}


def page(request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """A whole page with the tabs and the head."""
    whole = {**frame(request), **head(request), **context}
    return render(request, f"mailboxes/{template}", whole, status=status)


def head(request: HttpRequest) -> dict[str, Any]:
    """What the head of each page says: the server's state, what needs attention, and how much there is."""
    stack = Stack.load()
    certificate = read_certificate(stack)
    return {
        "stack": stack,
        "stage": states.stage(stack),
        "badge": states.stack_badge(stack),
        "services": states.services(stack),
        "changes": max(0, stack.desired_generation - stack.applied_generation),
        "unreadable": listing.unreadable().count(),
        "certificate_problems": [text for text in certificate.problems() if text != stack.tls_problem],
        "certificate_is_over": bool(certificate.expires_at and certificate.expires_at <= timezone.now()),
        "relay": RelaySettings.load(),
        "counts": counts(),
        "usage": usage,  # not called unless the template uses it
        "may": access.permissions(request.user),
        "restore_days": settings.QUAZZAR_RESTORE_DAYS,
        "section": section(getattr(request.resolver_match, "url_name", "")),
    }


def section(route: str) -> str:
    """The part of the mail server, as the navigation lists them, that a route's page belongs to."""
    name = route.removeprefix("mail_boxes_")
    return next((part for prefix, part in SECTIONS.items() if name.startswith(prefix)), "server")


def list_page(request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
    """The page of a list; HTMX gets its rows alone, or 204 when they have not changed."""
    if request.headers.get("HX-Target") != "list":
        return page(request, f"{name}.html", context)
    # Not called unless the template uses it: an empty list says how to begin.
    whole = {"may": access.permissions(request.user), "counts": counts, **context}
    return part(request, f"mailboxes/_{name}.html", whole)


def counts() -> dict[str, int]:
    """How many of each there are."""
    return {
        "mailboxes": Mailbox.objects.live().count(),
        "deleted": retention.restorable(timezone.now()).count(),
        "aliases": Alias.objects.count(),
        "domains": Domain.objects.count(),
    }


def usage() -> str:
    """How much mail the mailboxes hold together, such as 139 KiB; empty if there is none."""
    total = Mailbox.objects.live().aggregate(total=Sum("usage_bytes"))["total"]
    return words.size(total) if total else ""


def dialog(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The content of a dialog; without HTMX a page with the same content."""
    context = {
        "may": access.permissions(request.user),
        "restore_days": settings.QUAZZAR_RESTORE_DAYS,
        **context,
    }
    if gate.by_htmx(request):
        return render(request, f"mailboxes/{template}", context)
    return page(request, "dialog.html", {"dialog_template": f"mailboxes/{template}", **context})
