"""The Expected reports page: reports that are watched, proposed, or still being learned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_safe

from mailrelay.console.expectedforms import ReportForm
from mailrelay.expected import changes, nodezone, schedules
from mailrelay.models import ExpectedReport, RelaySettings
from quazzar import words
from quazzar.console import gate, shown
from quazzar.console.pages import frame, part, sentence
from quazzar.errors import QuazzarError
from quazzar.rights import CHANGE_EXPECTED, SEE_EXPECTED

PAGE, EDIT = "admin:expected_reports", "admin:expected_report"
#: Arrivals that the strip of a row shows.
_STRIP = 14
#: Arrivals that its own page lists.
_LISTED = 20
#: Rows that a section shows; the API lists all.
_MOST = 200
State = ExpectedReport.State
_TONES = {
    State.WAITING: "wait",
    State.ON_TIME: "ok",
    State.LATE: "bad",
    State.FAILED: "bad",
    State.PAUSED: "off",
    State.PROPOSED: "busy",
    State.LEARNING: "off",
    State.IGNORED: "off",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """One report in a strip: ok, bad, or missing."""

    kind: str
    at: datetime

    @property
    def title(self) -> str:
        """What happened, and when: shown while the pointer is over the mark."""
        what = {"ok": "Came", "bad": "Failed", "missing": "Missing since"}[self.kind]
        return f"{what} {words.moment(self.at)}"


@dataclass(frozen=True, slots=True)
class Line:
    """A report as the page shows it."""

    row: ExpectedReport
    badge: SafeString
    schedule: str
    tolerance: str
    strip: list[Mark]
    came: int

    @property
    def is_muted(self) -> bool:
        """Whether nothing is mailed about it now."""
        return self.row.muted_until is not None and self.row.muted_until > timezone.now()

    @property
    def sure(self) -> str:
        """How sure the learned schedule is, in a word."""
        return "" if self.row.confidence is None else f"{self.row.confidence * 100:.0f} % of the reports fit"

    @property
    def says(self) -> str:
        """The strip as text, for screen readers."""
        bad = sum(mark.kind != "ok" for mark in self.strip)
        came = words.count(self.came, "report")
        return f"{came} recorded; of the latest {len(self.strip)}, {bad} missing or failed"


def line(row: ExpectedReport) -> Line:
    """The row with what the page says about it."""
    marks = [
        Mark("ok" if ok else "bad", datetime.fromtimestamp(at, UTC)) for at, ok in row.arrivals[-_STRIP:]
    ]
    if row.state == State.LATE:
        marks.append(Mark("missing", row.since))
    state = State(row.state)
    schedule = schedules.from_json(row.schedule) if row.schedule else None
    return Line(
        row=row,
        badge=shown.badge("Waiting" if state is State.WAITING else state.label, _TONES[state]),
        schedule=_with_zone(schedules.describe(schedule)) if schedule else "",
        tolerance=schedules.tolerance_in_words(row.tolerance),
        strip=marks,
        came=len(row.arrivals),
    )


def _with_zone(schedule: str) -> str:
    """The schedule with the zone of its clock: the times beside it are in the browser's."""
    zone = timezone.now().astimezone(nodezone.zone()).tzname() or ""
    return f"{schedule} {zone}" if ":" in schedule else schedule


@gate.page(SEE_EXPECTED)
@require_safe
def reports(request: HttpRequest) -> HttpResponse:
    """The page; HTMX gets its lists alone, or 204 when they have not changed."""
    context = {**_lists(), "may_change": CHANGE_EXPECTED(request.user)}
    if request.headers.get("HX-Target") == "expected":
        return part(request, "mailrelay/_expected.html", context)
    return render(
        request, "mailrelay/expected.html", {**frame(request), **context, "title": "Expected reports"}
    )


def _lists() -> dict[str, Any]:
    worst_first = [State.LATE, State.FAILED, State.WAITING, State.ON_TIME, State.PAUSED]
    watched = list(ExpectedReport.objects.filter(state__in=worst_first)[:_MOST])
    watched.sort(key=lambda row: worst_first.index(State(row.state)))
    by_news = ExpectedReport.objects.order_by("-last_at")
    relay = RelaySettings.load()
    return {
        "watched": [line(row) for row in watched],
        "wrong": sum(row.state in (State.LATE, State.FAILED) for row in watched),
        "active": sum(row.state in ExpectedReport.WATCHED for row in watched),
        "proposed": [line(row) for row in by_news.filter(state=State.PROPOSED)[:_MOST]],
        "learning": [line(row) for row in by_news.filter(state=State.LEARNING)[:50]],
        "ignored": [line(row) for row in by_news.filter(state=State.IGNORED)[:_MOST]],
        "can_mail": relay.configured and bool(relay.alert_recipients),
        "zone": nodezone.name(),
    }


@gate.page(CHANGE_EXPECTED)
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """The form for a report that has not arrived yet."""
    form = ReportForm(request.POST if request.method == "POST" else None)
    row = form.save() if request.method == "POST" else None
    if row is None:
        return _form(request, form, {"title": "Add a report"})
    messages.success(request, f"{row.name} is watched.")
    return redirect(PAGE)


@gate.page(SEE_EXPECTED)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """One report and its latest arrivals; for those who may change it also its form, and what can be done with it."""
    if request.method == "POST":
        gate.require(CHANGE_EXPECTED, request)
    row = get_object_or_404(ExpectedReport, pk=pk)
    form = ReportForm(request.POST if request.method == "POST" else None, row=row)
    saved = form.save() if request.method == "POST" else None
    if saved is None:
        arrivals = [(datetime.fromtimestamp(at, UTC), ok) for at, ok in row.arrivals[: -_LISTED - 1 : -1]]
        return _form(request, form, {"title": row.name, "line": line(row), "arrivals": arrivals})
    messages.success(request, f"{saved.name} is saved.")
    return redirect(EDIT, pk) if saved.state in (State.LEARNING, State.PROPOSED) else redirect(PAGE)


def _form(request: HttpRequest, form: ReportForm, context: dict[str, Any]) -> HttpResponse:
    whole = {
        **frame(request),
        "form": form,
        "zone": nodezone.name(),
        "may_change": CHANGE_EXPECTED(request.user),
        **context,
    }
    return render(request, "mailrelay/expected_report.html", whole)


_VERBS = {
    "watch": (changes.watch, "{} is watched."),
    "ignore": (changes.ignore, "{} is ignored."),
    "pause": (changes.pause, "{} is paused: no mails about it."),
}


@gate.change(CHANGE_EXPECTED, PAGE)
def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Watch, ignore or pause a report."""
    do, said = _VERBS[verb]
    try:
        row = do(pk)
    except QuazzarError as exc:
        messages.error(request, sentence(exc))
        return redirect(EDIT, pk) if exc.status == 409 else redirect(PAGE)
    messages.success(request, said.format(row.name))
    return redirect(PAGE)


@gate.change(CHANGE_EXPECTED, PAGE)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a report, after its page has asked for confirmation."""
    row = get_object_or_404(ExpectedReport, pk=pk)
    changes.remove(pk)
    messages.success(request, f"{row.name} deleted. If it arrives again, Quazzar learns it from scratch.")
    return redirect(PAGE)
