"""The Doctor page: what every check found, since when, what to do, its history; and checking again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from quazzar import words
from quazzar.console import gate, pages
from quazzar.console.help.entries import chapter_of, slug
from quazzar.models import FindingChange
from quazzar.monitoring import doctor, findings, readings
from quazzar.monitoring.doctor import Check, Level
from quazzar.monitoring.readings import Reading
from quazzar.rights import LOOK_AROUND

PAGE = "admin:doctor"
#: Level → word, tone and icon.
LOOKS = {
    Level.FAILED: ("Failed", "bad", "error"),
    Level.WARNING: ("Warning", "wait", "warning"),
    Level.UNKNOWN: ("Unknown", "off", "help"),
    Level.OK: ("OK", "ok", "check_circle"),
}
#: Of a finding that there is nothing to check.
IDLE = ("Nothing to check", "off", "radio_button_unchecked")
_MOST_CHANGES = 20
#: If this many checks have the same finding, it is not by chance.
_ALIKE = 4
#: Below this the page says "just now", so that it does not change each time it is fetched.
_JUST_NOW = timedelta(seconds=90)


@dataclass(frozen=True)
class Line:
    """A reading as the page shows it."""

    reading: Reading
    word: str
    tone: str
    icon: str
    checked: str
    link: str
    link_text: str
    help: str

    @property
    def slug(self) -> str:
        """The check's name in an id of the page."""
        return self.reading.name.replace(" ", "-")


@gate.page(LOOK_AROUND, any_plan=True)
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """Every check that the operator may see, the worst first."""
    context = {**admin.site.each_context(request), **_context(request), "title": "Doctor"}
    return render(request, "quazzar/doctor.html", context)


@gate.page(LOOK_AROUND, any_plan=True)
@require_safe
def checks(request: HttpRequest) -> HttpResponse:
    """The checks, fetched again every few seconds; 204 when nothing has changed."""
    return pages.part(request, "quazzar/_checks.html", _context(request))


@gate.change(LOOK_AROUND, PAGE, any_plan=True)
def check(request: HttpRequest) -> HttpResponse:
    """Check again: the one that is named, or all."""
    name = request.POST.get("name", "")
    chosen = [each for each in _visible(request) if name in ("", each.name)]
    findings.look_again([each.name for each in chosen])
    if not gate.by_htmx(request):
        return redirect(PAGE)
    said = _said([each for each in readings.read(request.user) if name in ("", each.name)], name)
    return render(request, "quazzar/_checks.html", {**_context(request), "said": said})


@gate.page(LOOK_AROUND, any_plan=True)
@require_safe
def history(request: HttpRequest) -> HttpResponse:
    """The latest changes of one check.

    Raises:
        Http404: there is no such check, or the operator may not see it.
    """
    name = request.GET.get("name", "")
    if name not in [each.name for each in _visible(request)]:
        raise Http404
    changes = FindingChange.objects.filter(check_name=name)[:_MOST_CHANGES]
    lines = [(change, *(IDLE if change.is_idle else LOOKS[Level(change.level)])) for change in changes]
    return render(request, "quazzar/_check_history.html", {"changes": lines})


def _visible(request: HttpRequest) -> list[Check]:
    return [each for each in doctor.registered() if each.right(request.user)]


def _context(request: HttpRequest) -> dict[str, Any]:
    lines = [_line(reading, request) for reading in readings.read(request.user)]
    wrong = [line for line in lines if line.reading.level is not Level.OK]
    well = [line for line in lines if line.reading.level is Level.OK and not line.reading.finding.is_idle]
    idle = [line for line in lines if line.reading.finding.is_idle]
    same = alike([line.reading for line in idle])
    return {
        "wrong": wrong,
        "well": well,
        "idle": [line for line in idle if line.reading.finding.sentence not in dict(same)],
        "alike": same,
        "headline": headline([line.reading.level for line in wrong]),
        "look": LOOKS[wrong[0].reading.level if wrong else Level.OK],
    }


def alike(idle: list[Reading]) -> list[tuple[str, list[str]]]:
    """Sentences that many checks have found, and the names of these. Pure."""
    names: dict[str, list[str]] = {}
    for reading in idle:
        names.setdefault(reading.finding.sentence, []).append(reading.check.heading)
    return [(sentence, named) for sentence, named in names.items() if len(named) >= _ALIKE]


def look_of(reading: Reading) -> tuple[str, str, str]:
    """The word, tone and icon of a reading. Pure."""
    return IDLE if reading.finding.is_idle else LOOKS[reading.level]


def headline(wrong: list[Level]) -> str:
    """The state of the node in one sentence. Pure."""
    if not wrong:
        return "All checks pass."
    counts = [
        words.count(wrong.count(level), noun, nouns)
        for level, noun, nouns in (
            (Level.FAILED, "problem", "problems"),
            (Level.WARNING, "warning", "warnings"),
            (Level.UNKNOWN, "check without a result", "checks without a result"),
        )
        if level in wrong
    ]
    return f"{', '.join(counts)}."


def _line(reading: Reading, request: HttpRequest) -> Line:
    word, tone, icon = look_of(reading)
    link = _link(reading.check, request)
    return Line(
        reading,
        word,
        tone,
        icon,
        _checked(reading),
        link,
        pages.NAMES.get(reading.check.page, "Open"),
        _help(reading),
    )


def _help(reading: Reading) -> str:
    """The URL of the help entry for the problem; empty while there is none."""
    if reading.level is Level.OK:
        return ""
    check = reading.check
    where = slug(check.help) if check.help else chapter_of(check.page.partition(":")[2] or "doctor")
    return f"{reverse('admin:help')}#{where}"


def _checked(reading: Reading) -> str:
    if reading.checked_at is None:
        return "not checked yet"
    age = timezone.now() - reading.checked_at
    return "checked just now" if age < _JUST_NOW else f"checked {words.span(age)} ago"


def _link(check: Check, request: HttpRequest) -> str:
    """The URL of the page where the operator can fix it; empty if there is none, or not for this operator."""
    url = reverse(check.page) if check.page else ""
    return url if pages.may_open(request.user, url) else ""


def _said(found: list[Reading], name: str) -> str:
    """What checking again found, for those who cannot see it."""
    if name and found:
        return f"{found[0].check.heading}: {look_of(found[0])[0]}. {found[0].finding.sentence}"
    return f"Checked again. {headline([each.level for each in found if each.level is not Level.OK])}"
