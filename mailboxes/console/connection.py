"""Connection settings of a mailbox for mail programs: to copy, to scan and to install. Never a password."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from mailboxes.autoconfig import apple_profile, thunderbird
from mailboxes.console import access, pages, states
from mailboxes.models import Mailbox, Stack
from quazzar.console import gate
from quazzar.console.shown import qr_code
from quazzar.plans import entitlements

APPLE = "application/x-apple-aspen-config"
_SALT = "mailboxes.profile"
#: Seconds for which a scanned address serves the profile.
TICKET_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Server:
    """One way for a mail program to connect."""

    purpose: str
    protocol: str
    host: str
    port: int
    security: str


def servers(hostname: str) -> list[Server]:
    """How a mail program can connect, the preferred ways (TLS from the first byte) first."""
    return [
        Server("Incoming", "IMAP", hostname, _port(993), "SSL/TLS"),
        Server("Outgoing", "SMTP", hostname, _port(465), "SSL/TLS"),
        Server("Incoming, alternative", "IMAP", hostname, _port(143), "STARTTLS"),
        Server("Outgoing, alternative", "SMTP", hostname, _port(587), "STARTTLS"),
    ]


def _port(standard: int) -> int:
    return standard + int(settings.QUAZZAR_STACK_PORT_OFFSET)


def text(address: str, hostname: str, *, briefly: bool = False) -> str:
    """The settings as plain text; briefly for a QR code, which then stays easy to scan."""
    if briefly:
        preferred = [
            f"{server.protocol} {server.host}:{server.port} {server.security}"
            for server in servers(hostname)[:2]
        ]
        return "\n".join([address, *preferred])
    lines = [
        f"{server.purpose}: {server.protocol} {server.host}:{server.port} ({server.security})"
        for server in servers(hostname)
    ]
    return "\n".join([f"Mailbox: {address}", f"User name: {address}", *lines])


def context(request: HttpRequest, row: Mailbox) -> dict[str, Any]:
    """What the dialog with the connection settings shows."""
    stack = Stack.load()
    url = _profile_url(request, row)
    scanned = url or text(row.address, stack.hostname, briefly=True)
    return {
        "row": row,
        "stack": stack,
        "mark": states.row_badge(row, enabled=stack.enabled),
        "preferred": servers(stack.hostname)[:2],
        "others": servers(stack.hostname)[2:],
        "text": text(row.address, stack.hostname),
        "qr": qr_code(scanned) if stack.hostname else "",
        "scans_profile": bool(url),
        "self_signed": stack.tls_source == Stack.TlsSource.SELF_SIGNED,
    }


# --- the profile that a phone scans


def _profile_url(request: HttpRequest, row: Mailbox) -> str:
    """Where a phone fetches the profile; empty when it could not reach this console under the name in use."""
    host = request.get_host().rpartition(":")[0].strip("[]") or request.get_host()
    if host == "localhost" or _is_loopback(host):
        return ""
    return request.build_absolute_uri(reverse("admin:mail_boxes_scanned", args=[ticket(row)]))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def ticket(row: Mailbox) -> str:
    """A signed text that lets its bearer fetch one mailbox's profile for an hour."""
    return signing.dumps(row.pk, salt=_SALT)


def mailbox_of_ticket(text: str) -> Mailbox | None:
    """The mailbox of a ticket; None when the ticket is forged or too old, or the mailbox is gone."""
    try:
        pk = signing.loads(text, salt=_SALT, max_age=TICKET_SECONDS)
    except signing.BadSignature:
        return None
    return Mailbox.objects.live().filter(pk=pk).first()


# --- views


@access.page(access.see_mailboxes)
@require_safe
def panel(request: HttpRequest, pk: int) -> HttpResponse:
    """What the owner types into a mail program."""
    return pages.dialog(request, "_connection.html", context(request, _live(pk)))


@access.page(access.see_mailboxes)
@require_safe
def live(request: HttpRequest, pk: int) -> HttpResponse:
    """Whether the running stack has the mailbox, fetched again every second until it does."""
    stack, row = Stack.load(), _live(pk)
    shown = {"row": row, "stack": stack, "mark": states.row_badge(row, enabled=stack.enabled)}
    return render(request, "mailboxes/_live.html", shown)


@access.page(access.see_mailboxes)
@require_safe
def profile(request: HttpRequest, pk: int) -> HttpResponse:
    """A profile for Apple's mail programs."""
    return _profile(_live(pk))


@access.page(access.see_mailboxes)
@require_safe
def autoconfig(request: HttpRequest, pk: int) -> HttpResponse:
    """A configuration file for Thunderbird."""
    xml = thunderbird(_live(pk).address, _hostname(), settings.QUAZZAR_STACK_PORT_OFFSET)
    return _file(xml, "application/xml", "config-v1.1.xml")


@never_cache
@require_safe
def scanned(request: HttpRequest, ticket: str) -> HttpResponse:
    """The profile for a phone that scanned the QR code: it is not signed in, the ticket lets it in."""
    row = mailbox_of_ticket(ticket)
    if row is None or not entitlements.has(gate.FEATURE):
        raise Http404
    return _profile(row)


def _profile(row: Mailbox) -> HttpResponse:
    offset = settings.QUAZZAR_STACK_PORT_OFFSET
    content = apple_profile(row.address, row.display_name, _hostname(), offset)
    return _file(content, APPLE, "mail.mobileconfig")


def _file(content: str | bytes, kind: str, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type=kind, headers=headers)


def _hostname() -> str:
    hostname = Stack.load().hostname
    if not hostname:
        raise Http404("There is no mail server yet.")
    return hostname


def _live(pk: int) -> Mailbox:
    return get_object_or_404(Mailbox.objects.live(), pk=pk)
