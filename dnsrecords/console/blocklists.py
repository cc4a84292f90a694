"""The page of blocklists: what each says about what mail leaves from, and when that changed."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_safe

from dnsrecords.blocklists import check, standing
from dnsrecords.blocklists.lists import BY_KEY, is_address
from dnsrecords.blocklists.verdicts import State
from dnsrecords.console import access
from dnsrecords.models import BlocklistChange, BlocklistEntry, BlocklistRound
from quazzar.console import gate
from quazzar.console.pages import frame
from quazzar.monitoring.doctor import Level

_HISTORY = 50
_TONES = {Level.OK: "ok", Level.WARNING: "wait", Level.FAILED: "bad"}
#: What a list did not say → the word.
_TROUBLES = {State.REFUSED: "Refused", State.BROKEN: "Not usable", State.SILENT: "No answer"}


@gate.page(access.see)
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """All entries, addresses before domains, and the history."""
    finding = standing.examine()
    entries = sorted(
        BlocklistEntry.objects.all(), key=lambda row: (not is_address(row.subject), not row.listed)
    )
    context = {
        **frame(request),
        "finding": finding,
        "tone": "off" if finding.is_idle else _TONES[finding.level],
        "rows": [_shown(row) for row in entries if row.blocklist in BY_KEY],
        "has_reasons": any(row.listed or row.trouble for row in entries),
        "history": [
            {"row": row, "name": BY_KEY[row.blocklist].name if row.blocklist in BY_KEY else row.blocklist}
            for row in BlocklistChange.objects.all()[:_HISTORY]
        ],
        "due": BlocklistRound.objects.values_list("due_at", flat=True).first(),
        "lists": check.enabled(),
        "may_change": access.may_change(request.user),
    }
    return render(request, "dnsrecords/blocklists.html", context)


@access.change
def ask(request: HttpRequest) -> HttpResponse:
    """Ask the lists now."""
    if check.enabled():
        check.check()
    else:
        messages.error(request, "Blocklists are not checked: QUAZZAR_BLOCKLISTS is off.")
    return redirect("admin:dns_blocklists")


def _shown(row: BlocklistEntry) -> dict[str, Any]:
    blocklist = BY_KEY[row.blocklist]
    if row.listed:
        tone, word = "bad", "Listed"
    elif row.trouble:
        tone, word = "wait" if row.trouble != State.SILENT else "off", _TROUBLES[State(row.trouble)]
    else:
        tone, word = ("ok", "Not listed") if row.listed is False else ("off", "Not asked yet")
    return {"row": row, "list": blocklist, "tone": tone, "word": word}


_BASE = "mail-relay/dns/blocklists/"
urlpatterns = [
    path(_BASE, page, name="dns_blocklists"),
    path(f"{_BASE}check/", ask, name="dns_blocklists_check"),
]
