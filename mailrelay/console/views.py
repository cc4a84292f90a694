"""The Relay settings tab: the form, removing the relay, the test mail, the figures, and licences."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from mailrelay.console import livetest, strip
from mailrelay.console.forms import RelayForm, hints
from mailrelay.models import RelaySettings
from mailrelay.queue import standing
from mailrelay.relay import presets, rules, settings
from mailrelay.relay.target import default_from
from quazzar.access import signins
from quazzar.console import gate, upgrade
from quazzar.console.pages import frame
from quazzar.errors import LicenseError
from quazzar.plans import entitlements, licenses
from quazzar.rights import CHANGE_RELAY, INSTALL_LICENCE, SEE_RELAY, TEST_RELAY

NDJSON = "application/x-ndjson"
PAGE = "admin:mail_relay"


@gate.page(SEE_RELAY)
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password")
def relay(request: HttpRequest) -> HttpResponse:
    """The tab; a POST saves the settings."""
    row = RelaySettings.load()
    if request.method != "POST":
        return _page(request, row, RelayForm(row=row))
    if not CHANGE_RELAY(request.user):
        signins.refused(request)
        return _page(request, row, RelayForm(row=row), status=403)
    form = RelayForm(request.POST, row=row)
    saved = form.save()
    if saved is None:
        return _page(request, row, form)
    messages.success(request, f"Saved. {where_mail_goes(saved)}")
    return redirect(PAGE)


@gate.change(CHANGE_RELAY, PAGE)
def remove(request: HttpRequest) -> HttpResponse:
    """Remove the relay, so that none is configured."""
    settings.clear()
    messages.success(request, "Relay removed. Queued mail waits until you set one up again.")
    return redirect(PAGE)


@gate.change(TEST_RELAY, PAGE)
def test(request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
    """Send a test mail: its stages as lines of JSON to a script that reads them, otherwise a page with the result."""
    to = request.POST.get("to", "").strip()
    if NDJSON in request.headers.get("Accept", ""):
        headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
        return StreamingHttpResponse(livetest.stream(to), content_type=NDJSON, headers=headers)
    row = RelaySettings.load()
    result = livetest.run(to)
    stages = livetest.lines(getattr(result, "steps", []), over=True)
    return _page(request, row, RelayForm(row=row), result=result, stages=stages, test_to=to)


@gate.page(SEE_RELAY)
@require_safe
def figures(request: HttpRequest) -> HttpResponse:
    """The figures, fetched again every few seconds."""
    return render(request, "mailrelay/_figures.html", _state(RelaySettings.load()))


@gate.change(INSTALL_LICENCE, PAGE, any_plan=True)
def install_license(request: HttpRequest) -> HttpResponse:
    """Install a pasted licence, which takes effect at once."""
    pasted = request.POST.get("license", "")
    try:
        licence = licenses.install(pasted)
    except LicenseError as exc:
        return _refused(request, upgrade.Refusal(pasted, exc.message))
    messages.success(request, f"The licence for {licence.plan.title} is in force.")
    return redirect(PAGE)


def _refused(request: HttpRequest, refusal: upgrade.Refusal) -> HttpResponse:
    """The page of the plan still in force, with the dialog open and what is wrong with the licence."""
    if not entitlements.has(gate.FEATURE):
        return gate.lock_card(request, refusal)
    row = RelaySettings.load()
    return _page(request, row, RelayForm(row=row), refusal=refusal)


def where_mail_goes(row: RelaySettings) -> str:
    """One sentence: how mail leaves this node."""
    if not row.configured:
        return "No relay yet. Alerts are written to the log, not mailed."
    sender = default_from(row.from_address, row.username)
    return f"Mail goes through {row.host}:{row.port} as {sender}."


def _page(
    request: HttpRequest,
    row: RelaySettings,
    form: RelayForm,
    *,
    status: int = 200,
    refusal: upgrade.Refusal | None = None,
    **extra: Any,
) -> HttpResponse:
    may_change = CHANGE_RELAY(request.user)
    if not may_change:
        form.fields["password"].widget.saved_text = "Saved."
    context = {
        **frame(request, refusal),
        "relay": row,
        "form": form,
        "presets": presets_for_browser(),
        "password_place": {name: getattr(row, name) for name in rules.PASSWORD_PLACE},
        **_state(row),
        "test_to": _default_recipient(row, request),
        "stages": livetest.lines([]),
        "may_change": may_change,
        **extra,
    }
    return render(request, "mailrelay/relay.html", context, status=status)


def _state(row: RelaySettings) -> dict[str, Any]:
    """The parts of the page that are fetched again every few seconds."""
    return {
        "relay": row,
        "standing": standing.read(),
        "route": where_mail_goes(row),
        "figures": strip.read(),
    }


def _default_recipient(row: RelaySettings, request: HttpRequest) -> str:
    return next(iter(row.alert_recipients), "") or getattr(request.user, "email", "")


def presets_for_browser() -> list[dict[str, Any]]:
    """The providers' presets with the words beside the fields, for the page's script."""
    return [
        {
            **preset.public(),
            "hints": hints(preset),
            "docs": preset.docs,
            "other_ports": preset.other_ports,
        }
        for preset in presets.PRESETS
    ]
