"""What a mail program needs to know of a mailbox: to copy, to scan and to install. Never a password."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import qrcode
from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from qrcode.image.svg import SvgPathImage

from mailboxes.console import states
from mailboxes.models import Mailbox, Stack

_SALT = "mailboxes.profile"
#: Seconds in which a scanned address gives out the profile.
TICKET_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Server:
    """One way in or out."""

    purpose: str
    protocol: str
    host: str
    port: int
    security: str


def servers(hostname: str) -> list[Server]:
    """The ways in and out, the best first."""
    return [
        Server("Incoming", "IMAP", hostname, _port(993), "SSL/TLS"),
        Server("Outgoing", "SMTP", hostname, _port(465), "SSL/TLS"),
        Server("Incoming, else", "IMAP", hostname, _port(143), "STARTTLS"),
        Server("Outgoing, else", "SMTP", hostname, _port(587), "STARTTLS"),
    ]


def _port(standard: int) -> int:
    return standard + int(settings.QUAZZAR_STACK_PORT_OFFSET)


def text(address: str, hostname: str, *, briefly: bool = False) -> str:
    """It as plain text; briefly for a code that should stay easy to scan."""
    if briefly:
        ways = [f"{each.protocol} {each.host}:{each.port} {each.security}" for each in servers(hostname)[:2]]
        return "\n".join([address, *ways])
    lines = [
        f"{each.purpose}: {each.protocol} {each.host}:{each.port} ({each.security})"
        for each in servers(hostname)
    ]
    return "\n".join([f"Mailbox: {address}", f"User name: {address}", *lines])


def context(request: HttpRequest, row: Mailbox) -> dict[str, Any]:
    """What the panel shows."""
    stack = Stack.load()
    best = servers(stack.hostname)[:2]
    url = _profile_url(request, row)
    scanned = url or text(row.address, stack.hostname, briefly=True)
    return {
        "row": row,
        "stack": stack,
        "mark": states.of_row(row, enabled=stack.enabled),
        "best": best,
        "others": servers(stack.hostname)[2:],
        "text": text(row.address, stack.hostname),
        "qr": qr(scanned) if stack.hostname else "",
        "scans_profile": bool(url),
        "self_signed": stack.tls_source == Stack.TlsSource.SELF_SIGNED,
    }


def qr(content: str) -> SafeString:
    """A QR code as SVG."""
    image = qrcode.make(content, image_factory=SvgPathImage, border=2, box_size=10)
    svg: str = image.to_string(encoding="unicode")
    return mark_safe(svg)  # noqa: S308  (drawn here, of numbers)


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
    """Lets its bearer fetch one mailbox's profile for an hour."""
    return signing.dumps(row.pk, salt=_SALT)


def of_ticket(text: str) -> Mailbox | None:
    """The mailbox of a ticket that still holds."""
    try:
        pk = signing.loads(text, salt=_SALT, max_age=TICKET_SECONDS)
    except signing.BadSignature:
        return None
    return Mailbox.objects.filter(pk=pk, deleted_at=None).first()
