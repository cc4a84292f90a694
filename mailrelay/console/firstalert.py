"""The first alert: lines to paste with a key made for them, and whether the alert arrived."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from mailrelay.models import AlertState, RelaySettings
from quazzar import rights
from quazzar.access import apikeys
from quazzar.console import gate
from quazzar.console.pages import frame, part
from quazzar.snippets import snippets
from quazzar.words import read_time

#: Snippets of API keys that raise an alert.
_ALERTS = ("curl-alert", "python-alert", "alertmanager", "grafana", "kuma-url", "kuma-body", "kuma-headers")
_KEY_NAME = "First alert"
_KEY_LASTS = timedelta(days=365)


@gate.page(rights.SEND)
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("key", "context")
def first_alert(request: HttpRequest) -> HttpResponse:
    """The lines to paste; a POST makes the key in them, which is shown in this answer and stored nowhere."""
    key = ""
    if request.method == "POST":
        gate.require(rights.ADD_KEYS, request)
        user = cast("User", request.user)
        _, key = apikeys.issue(user, _KEY_NAME, [rights.SEND_MAIL], timezone.now() + _KEY_LASTS)
    relay = RelaySettings.load()
    context = {
        **frame(request),
        "title": "First alert",
        "key": key,
        "tools": _tools(request.build_absolute_uri("/"), key or snippets.PLACEHOLDER),
        "placeholder": snippets.PLACEHOLDER,
        "may_make_a_key": rights.ADD_KEYS(request.user),
        "is_mailed": relay.configured and bool(relay.alert_recipients),
        **_received(timezone.now().isoformat()),
    }
    return render(request, "mailrelay/first_alert.html", context)


@gate.page(rights.SEND)
@require_safe
def received(request: HttpRequest) -> HttpResponse:
    """Whether an alert has come since the page was opened, fetched again every few seconds."""
    return part(request, "mailrelay/_first_alert.html", _received(request.GET.get("since", "")))


@sensitive_variables("key")
def _tools(url: str, key: str) -> dict[str, list[snippets.Snippet]]:
    """The snippets that raise an alert, grouped by program."""
    found = snippets.snippets(url, key, [rights.SEND_MAIL])
    return snippets.by_tool(each for each in found if each.id in _ALERTS)


def _received(since: str) -> dict[str, Any]:
    begun = read_time(since) or timezone.now()
    latest = AlertState.objects.filter(updated_at__gte=begun).select_related("message").defer("message__body")
    return {"since": since, "alert": latest.order_by("-updated_at").first()}
