"""The content of a message: text, HTML in a sandbox, header, source and files, for those who may read it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from mailrelay.mail import content
from mailrelay.models import Message, RelaySettings
from mailrelay.queue import rendering
from mailrelay.queue.byhand import ContentGone
from quazzar import actors, words
from quazzar.access import audit
from quazzar.console import gate
from quazzar.errors import QuazzarError
from quazzar.models import AuditEntry
from quazzar.rights import READ_MESSAGES

#: The HTML of a mail may use its own styles and the pictures inside the mail. A sandbox without ``allow-scripts`` runs
#: nothing and follows no refresh; its links open in a new tab when they are clicked.
_SANDBOX = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:{remote}; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Mail</title>'
    "<style>body{{margin:16px;background:#fff;color:#111;color-scheme:light;overflow-wrap:anywhere;"
    "font:15px/1.5 system-ui,sans-serif}}img{{max-width:100%}}</style></head><body>{}</body></html>"
)
#: Within this time, opening it again adds nothing to the audit log.
_SAME_READING = timedelta(minutes=10)
#: The most of the source that a page shows, in bytes; the download has all of it.
_SHOWN_SOURCE = 64 * 1024


def _source(pk: int) -> tuple[Message, bytes]:
    """The message, and the complete mail; that it was read is in the audit log.

    Raises:
        Http404: there is no such message.
        ContentGone: its body was removed, or cannot be rendered.
        Unreadable: its body was sealed with a key that is gone.
    """
    row = get_object_or_404(Message, pk=pk)
    name = RelaySettings.objects.filter(pk=1).values_list("from_name", flat=True).first()
    try:
        data, _ = rendering.rendered(row, name or "")
    except ValueError as exc:
        raise ContentGone from exc
    reader, since = actors.current_actor(), timezone.now() - _SAME_READING
    read = AuditEntry.objects.filter(
        at__gte=since, action="message.read", target=row.message_id, actor=reader
    )
    if not read.exists():
        audit.record("message.read", row.message_id)
    return row, data


@gate.page(READ_MESSAGES)
@require_safe
def shown(request: HttpRequest, pk: int) -> HttpResponse:
    """The content, put into the message's page on request."""
    try:
        _, data = _source(pk)
    except QuazzarError as exc:
        return render(request, "mailrelay/_content.html", {"error": exc})
    return render(request, "mailrelay/_content.html", opened(data, "message", pk))


def opened(data: bytes, routes: str, pk: int) -> dict[str, Any]:
    """The context of ``_content.html`` for a complete mail.

    Args:
        routes: beginning of the names of the routes that show its parts, such as ``message`` for ``message_html``.
        pk: what they take.
    """
    mail = content.read(data)
    return {
        "mail": mail,
        "size": words.size(len(data)),
        "source": data[:_SHOWN_SOURCE].decode("utf-8", "replace"),
        "source_cut": len(data) > _SHOWN_SOURCE,
        "html_url": reverse(f"admin:{routes}_html", args=[pk]),
        "source_url": reverse(f"admin:{routes}_source", args=[pk]),
        "files": [
            (reverse(f"admin:{routes}_file", args=[pk, index]), file, words.size(len(file.data)))
            for index, file in enumerate(mail.files)
        ],
    }


@gate.page(READ_MESSAGES)
@require_safe
@xframe_options_sameorigin
def html(request: HttpRequest, pk: int) -> HttpResponse:
    """The cleaned HTML for the sandboxed frame; with ``?remote=1`` pictures from elsewhere may load."""
    try:
        _, data = _source(pk)
    except QuazzarError as exc:
        raise Http404(exc.message) from exc
    return framed(data, remote=request.GET.get("remote") == "1")


def framed(data: bytes, *, remote: bool) -> HttpResponse:
    """The cleaned HTML of a complete mail as a page that runs nothing and, without ``remote``, loads no pictures."""
    headers = {
        "Content-Security-Policy": _SANDBOX.format(remote=" https: http:" if remote else ""),
        "Referrer-Policy": "no-referrer",
        # Chromium looks up the hosts of links ahead of a click.
        "X-DNS-Prefetch-Control": "off",
    }
    return HttpResponse(_PAGE.format(content.read(data, remote=remote).html), headers=headers)


@gate.page(READ_MESSAGES)
@require_safe
def source(request: HttpRequest, pk: int) -> HttpResponse:
    """The complete mail as a file."""
    try:
        _, data = _source(pk)
    except QuazzarError as exc:
        raise Http404(exc.message) from exc
    return download(data, "message/rfc822", f"message-{pk}.eml")


@gate.page(READ_MESSAGES)
@require_safe
def attachment(request: HttpRequest, pk: int, index: int) -> HttpResponse:
    """One attached file, always as a download."""
    try:
        _, data = _source(pk)
    except QuazzarError as exc:
        raise Http404("This file does not exist.") from exc
    return attached(data, index)


def attached(data: bytes, index: int) -> HttpResponse:
    """A file attached to a complete mail, as a download.

    Raises:
        Http404: it has no such file.
    """
    try:
        file = content.read(data).files[index]
    except IndexError as exc:
        raise Http404("This file does not exist.") from exc
    return download(file.data, "application/octet-stream", file.name)


def download(data: bytes, kind: str, name: str) -> HttpResponse:
    """A file that the browser saves and never shows."""
    plain = "".join(letter if letter.isascii() and letter.isprintable() else "_" for letter in name)
    plain = plain.replace('"', "_").replace("\\", "_").replace("/", "_")
    disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    return HttpResponse(data, content_type=kind, headers={"Content-Disposition": disposition})


_BASE = "mailrelay/message/<int:pk>/"
ROUTES: list[URLPattern] = [
    path(f"{_BASE}content/", shown, name="message_content"),
    path(f"{_BASE}html/", html, name="message_html"),
    path(f"{_BASE}source/", source, name="message_source"),
    path(f"{_BASE}files/<int:index>/", attachment, name="message_file"),
]
