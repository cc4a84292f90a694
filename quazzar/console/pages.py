"""What the pages of Mail Relay are made of: their frame, parts for HTMX, and the answer to a change."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import resolve

from quazzar.console import gate, upgrade
from quazzar.errors import QuazzarError
from quazzar.rights import INSTALL_LICENCE

#: Heading of every page of Mail Relay; its tabs stand below.
TITLE = "Mail Relay"
#: Pages that findings and checks lead to, by their URL names.
NAMES = {
    "admin:mail_relay": "Relay settings",
    "admin:mail_boxes": "Mailboxes",
    "admin:mail_boxes_queue": "Postfix's queue",
    "admin:mail_boxes_server": "Mail server",
    "admin:dns_blocklists": "Blocklists",
    "admin:dns_overview": "DNS records",
    "admin:expected_reports": "Expected reports",
    "admin:returned_mail": "Returned mail",
    "admin:proofs": "Delivery proofs",
    "admin:suppressions": "Suppression list",
    "admin:auth_user_changelist": "Operators",
    "admin:mailrelay_message_changelist": "Messages",
}
#: The first number that no row can have (2⁶³), and with how many digits texts are too long to be looked at.
_MOST, _DIGITS = 1 << 63, 20
#: Events that an answer fires in the browser: lists fetch themselves again, the dialog closes, a toast is shown.
CHANGED, CLOSE, TOAST = "console-changed", "console-close", "console-toast"


def frame(request: HttpRequest, refusal: upgrade.Refusal | None = None) -> dict[str, Any]:
    """Context of the page's frame: sidebar, tabs, plan, upgrade dialog (open, when a licence was refused)."""
    return {
        **admin.site.each_context(request),
        **upgrade.dialog(request, gate.FEATURE, refusal),
        "title": TITLE,
        "may_upgrade": INSTALL_LICENCE(request.user),
    }


def part(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """A part that is fetched repeatedly; 204 without content if it has not changed since (``?seen=``)."""
    html = render_to_string(template, context, request)
    digest = hashlib.sha256(html.encode()).hexdigest()[:16]
    if request.GET.get("seen") == digest:
        return HttpResponse(status=204)
    return HttpResponse(f'<input type="hidden" name="seen" value="{digest}" data-kept>{html}')


def number(request: HttpRequest, name: str) -> int | None:
    """A number in the URL, such as the row at which a page begins; None if it is none, or larger than any row's."""
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and len(text) < _DIGITS and int(text) < _MOST else None


def may_open(user: Any, url: str) -> bool:
    """Whether the page at this address, which may also be empty, is one that the operator may open."""
    if not url:
        return False
    right = getattr(resolve(url).func, "right", None)
    return right is None or bool(right(user))


def reload() -> HttpResponse:
    """Make HTMX load the whole page again, because another page has to be shown."""
    return HttpResponse(headers={"HX-Refresh": "true"})


def done(request: HttpRequest, sentence: str, to: str, *, nothing: bool = False) -> HttpResponse:
    """Close the dialog, refresh the lists, say what was done, or that it was nothing; without HTMX go to ``to``."""
    if not gate.by_htmx(request):
        (messages.warning if nothing else messages.success)(request, sentence)
        return redirect(to)
    return _toast(sentence, "warning" if nothing else "success", {CHANGED: "", CLOSE: ""})


def refused(request: HttpRequest, error: QuazzarError, to: str) -> HttpResponse:
    """The change was refused: say why; without HTMX go to ``to``."""
    if not gate.by_htmx(request):
        messages.error(request, sentence(error))
        return redirect(to)
    return _toast(sentence(error), "error", {CHANGED: ""})


def sentence(error: QuazzarError) -> str:
    """What went wrong and what to do about it, on one line."""
    fields: dict[str, list[str]] = getattr(error, "fields", {})
    if fields:
        return " ".join(text for sentences in fields.values() for text in sentences)
    return f"{error.message} {error.hint}".strip()


def _toast(text: str, level: str, events: dict[str, str]) -> HttpResponse:
    trigger = json.dumps({**events, TOAST: {"text": text, "level": level}})
    return HttpResponse(status=204, headers={"HX-Trigger": trigger})
