"""The pages of proofs: the form and the history, and the picture of one mail's way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods

from dnsrecords.models import Proof, ProofSchedule
from dnsrecords.proof import incoming, progress, schedule, starting, ways
from dnsrecords.proof.judging.verdict import At, Check, Mark, Station, Verdict
from dnsrecords.proof.starting import Wish
from mailrelay.models import Inbox
from quazzar import words
from quazzar.console import gate, pages, shown
from quazzar.console.forms import INPUT, VERBATIM, SavingForm, text_input
from quazzar.console.pages import frame, part
from quazzar.rights import CHANGE_RELAY, SEE_RELAY, TEST_RELAY

PAGE, ONE = "admin:proofs", "admin:proof"
TITLE = "Delivery proofs"
_SHOWN = 100
#: Mark → tone, icon and word.
MARKS = {
    Mark.OK: ("ok", "check_circle", "Right"),
    Mark.WARNING: ("wait", "warning", "Warning"),
    Mark.BAD: ("bad", "cancel", "Wrong"),
    Mark.PENDING: ("busy", "hourglass_empty", "Still ahead"),
    Mark.UNKNOWN: ("off", "help", "Not known"),
}
_ICONS = {
    At.NODE: "computer",
    At.SENDER: "outgoing_mail",
    At.HOP: "route",
    At.DOOR: "dns",
    At.IDENTITY: "verified_user",
    At.MAILBOX: "inbox",
}
_STATES = {
    Proof.State.SENDING: "busy",
    Proof.State.UNDERWAY: "busy",
    Proof.State.ARRIVED: "busy",
    Proof.State.PROVEN: "ok",
    Proof.State.UNCLEAR: "wait",
    Proof.State.FAILED: "bad",
}


def _named(inbox: Inbox) -> str:
    return f"{inbox.username} (Quazzar's own mailbox)" if inbox.owned else str(inbox)


class ProofForm(SavingForm):
    """How a proof is sent, and where to."""

    renamed = {"inbox": "target", "from_address": "sender"}
    way = forms.ChoiceField(widget=forms.Select(attrs=INPUT))
    sender = forms.CharField(required=False, widget=text_input(inputmode="email", list="senders"))
    target = forms.ChoiceField(required=False, widget=forms.Select(attrs=INPUT))
    to = forms.CharField(required=False, widget=text_input(placeholder="anna@example.com", inputmode="email"))

    def __init__(self, data: Any = None, *, initial: dict[str, Any] | None = None) -> None:
        inboxes = [(str(row.pk), _named(row)) for row in ways.inboxes()]
        super().__init__(data, initial=initial or {"target": inboxes[0][0] if inboxes else ""})
        self.options = ways.options()
        choices = [(str(each.way), each.label) for each in self.options if not each.missing]
        self.fields["way"].choices = choices  # type: ignore[attr-defined]
        self.fields["target"].choices = [*inboxes, *self._others()]  # type: ignore[attr-defined]

    def _others(self) -> list[tuple[str, str]]:
        return [("", "Somebody who tells me what arrived")]

    def wish(self, values: dict[str, Any]) -> Wish:
        """The form's values as what the domain is asked for; without a target, the mail goes to a person."""
        inbox = int(values["target"]) if values["target"] else None
        return Wish(values["way"], values["sender"], inbox, values["to"])

    def save(self) -> Proof | None:
        """Send it; None when something is not valid, with the sentences at the fields."""
        return self.attempt(lambda values: starting.start(self.wish(values)))


class ScheduleForm(ProofForm):
    """The same, with how often."""

    prefix = "schedule"
    every = forms.ChoiceField(choices=ProofSchedule.Every.choices, widget=forms.Select(attrs=INPUT))

    def __init__(self, data: Any = None, *, row: ProofSchedule) -> None:
        initial = {
            "every": row.every,
            "way": row.way,
            "sender": row.from_address,
            "to": row.to,
        }
        if row.inbox_id:
            initial["target"] = str(row.inbox_id)
        super().__init__(data, initial=initial)
        self.fields["way"].required = False

    def _others(self) -> list[tuple[str, str]]:
        return [] if ways.inboxes() else [("", "No inbox yet")]

    def save_schedule(self) -> ProofSchedule | None:
        """Save it; None when something is not valid."""
        return self.attempt(lambda values: schedule.save(values["every"], self.wish(values)))


class HeadersForm(SavingForm):
    """A header that the recipient has copied."""

    headers = forms.CharField(
        strip=False,
        widget=forms.Textarea(attrs={**VERBATIM, "rows": 8, "class": "q-input q-mono"}),
        error_messages={"required": "Paste the header."},
    )

    def save(self, row: Proof) -> Proof | None:
        """Judge it; None when it is another mail's, or none."""
        return self.attempt(lambda values: incoming.paste(row, values["headers"]))


@gate.page(SEE_RELAY)
@require_http_methods(["GET", "HEAD", "POST"])
def proofs(request: HttpRequest) -> HttpResponse:
    """The form, the schedule and the history; a POST sends a proof."""
    form = None
    if request.method == "POST":
        gate.require(TEST_RELAY, request)
        form = ProofForm(request.POST)
        row = form.save()
        if row is not None:
            return redirect(ONE, row.pk)
    return _list(request, form or ProofForm(), ScheduleForm(row=ProofSchedule.load()))


@gate.page(CHANGE_RELAY)
@require_http_methods(["GET", "HEAD", "POST"])
def save_schedule(request: HttpRequest) -> HttpResponse:
    """Set when a proof is sent by itself."""
    if request.method != "POST":
        return redirect(PAGE)
    form = ScheduleForm(request.POST, row=ProofSchedule.load())
    row = form.save_schedule()
    if row is None:
        return _list(request, ProofForm(), form)
    is_off = row.every == ProofSchedule.Every.OFF
    text = "Saved. No proof is scheduled." if is_off else "Saved. The first proof is sent now."
    messages.success(request, text)
    return redirect(PAGE)


def _list(request: HttpRequest, form: ProofForm, plan: ScheduleForm) -> HttpResponse:
    rows = list(Proof.objects.defer("mail", "verdict")[:_SHOWN])
    planned = ProofSchedule.load()
    context = {
        **frame(request),
        "title": TITLE,
        "form": form,
        "plan": plan,
        "schedule": planned,
        "is_ahead": planned.due_at is not None and planned.due_at > timezone.now(),
        "missing": [each for each in form.options if each.missing],
        "missing_too": " ".join(each.missing for each in form.options),
        "senders": [address for each in form.options for address in each.senders],
        "rows": [{"row": row, "badge": badge(row)} for row in rows],
        "may_test": TEST_RELAY(request.user),
        "may_change": CHANGE_RELAY(request.user),
        "can_send": any(not each.missing for each in form.options),
    }
    return render(request, "dnsrecords/proofs.html", context)


@gate.page(SEE_RELAY)
@require_http_methods(["GET", "HEAD", "POST"])
def proof(request: HttpRequest, pk: int) -> HttpResponse:
    """One proof; HTMX gets the picture alone, a POST brings a header."""
    rows = Proof.objects.select_related("queued", "inbox").defer("mail", "queued__body")
    row = get_object_or_404(rows, pk=pk)
    form = HeadersForm()
    if request.method == "POST":
        gate.require(TEST_RELAY, request)
        form = HeadersForm(request.POST)
        if form.save(row) is not None:
            return redirect(ONE, row.pk)
    context = _context(row, may_test=TEST_RELAY(request.user))
    if request.headers.get("HX-Target") == "proof":
        return part(request, "dnsrecords/_proof.html", context)
    return render(
        request,
        "dnsrecords/proof.html",
        {**frame(request), "title": TITLE, "form": form, **context},
    )


def badge(row: Proof) -> SafeString:
    """The state in a word."""
    state = Proof.State(row.state)
    return shown.badge(state.label, _STATES[state])


def _context(row: Proof, *, may_test: bool) -> dict[str, Any]:
    verdict = progress.verdict_of(row)
    mark = Mark.PENDING if row.is_open else verdict.mark
    if row.state == Proof.State.PROVEN and mark is Mark.UNKNOWN:
        mark = Mark.OK
    tone, icon, _ = MARKS[mark]
    if row.state == Proof.State.UNCLEAR:
        tone = _STATES[Proof.State.UNCLEAR]
    return {
        "row": row,
        "badge": badge(row),
        "verdict": verdict,
        "may_test": may_test,
        "advice": verdict.advice or (_next(row) if may_test or row.inbox_id else ""),
        "tone": tone,
        "icon": icon,
        "subject": starting.subject_of(row),
        "stations": [_station(each) for each in verdict.stations],
        "moves": row.is_open,
        "can_paste": _may_have_arrived(row, verdict),
    }


def _may_have_arrived(row: Proof, verdict: Verdict) -> bool:
    """Whether somebody may have the mail, and its header would say more."""
    if row.state == Proof.State.SENDING or row.found in (Proof.Found.INBOX, Proof.Found.FORWARDED):
        return False
    return row.state != Proof.State.FAILED or any(each.key is At.MAILBOX for each in verdict.stations)


def _next(row: Proof) -> str:
    """What happens next while the mail is on its way, and who does it."""
    if row.state != Proof.State.UNDERWAY:
        return ""
    if row.inbox_id:
        return "Quazzar looks for it in the inbox. This page updates by itself."
    return "Ask the recipient to answer the mail, or to send you its header, which you paste below."


def _station(station: Station) -> dict[str, Any]:
    tone, icon, word = MARKS[station.mark]
    return {
        "station": station,
        "tone": tone,
        "icon": _ICONS[station.key],
        "mark": icon,
        "word": word,
        "how": ", ".join(filter(None, [_after(station.seconds), station.tls])),
        "checks": [_check(check) for check in station.checks],
    }


def _after(seconds: float | None) -> str:
    """How long the mail took to a station."""
    if seconds is None:
        return ""
    return "at once" if seconds < 1 else f"after {words.span(timedelta(seconds=seconds))}"


def _check(check: Check) -> dict[str, Any]:
    tone, icon, word = MARKS[check.mark]
    leads_to = pages.NAMES.get(check.page, "Open")
    return {"check": check, "tone": tone, "icon": icon, "word": word, "leads_to": leads_to}


_BASE = "delivery-proofs/"
urlpatterns = [
    path(_BASE, proofs, name="proofs"),
    path(f"{_BASE}schedule/", save_schedule, name="proofs_schedule"),
    path(f"{_BASE}<int:pk>/", proof, name="proof"),
]
