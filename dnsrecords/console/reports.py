"""The page of what other mail servers report about a domain: whose mail passes, and what to do next."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_safe

from dnsrecords.console import access, publishing
from dnsrecords.models import ReceivedReport
from dnsrecords.publishing.publish import for_domain
from dnsrecords.records import options
from dnsrecords.reports import chart, intake, summary, unpacking
from dnsrecords.reports.values import Unfit
from mailboxes.models import Domain
from quazzar import bodies, words
from quazzar.console import gate
from quazzar.console.pages import frame, sentence
from quazzar.errors import QuazzarError

_DAYS = 30
#: One byte more than fits: the intake then says that it is too large.
_LARGEST_UPLOAD = unpacking.LARGEST + 1


@gate.page(access.see)
@require_safe
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """What the reports of the chosen number of days say."""
    row = get_object_or_404(Domain, pk=pk)
    chosen = request.GET.get("days", "")
    days = int(chosen) if chosen in map(str, summary.PERIODS) else _DAYS
    found = summary.of(row, days)
    context = {
        **frame(request),
        "domain": row,
        "summary": found,
        "periods": summary.PERIODS,
        "chart": chart.of(found.by_day),
        "refused": intake.refused_since(found.by_day[0].day if found.by_day else timezone.now().date()),
        "authenticated": sum(reporter["authenticated"] for reporter in found.reporters),
        "received": sum(reporter["reports"] for reporter in found.reporters),
        "may_change": access.may_change(request.user),
        "looks_up": settings.QUAZZAR_REPORT_NETWORKS,
        "is_off": not settings.QUAZZAR_REPORT_RETENTION_DAYS,
        "kept_days": settings.QUAZZAR_REPORT_RETENTION_DAYS,
    }
    return render(request, "dnsrecords/reports.html", context)


@bodies.takes_file
@access.change
def upload(request: HttpRequest, pk: int) -> HttpResponse:
    """Store a report file that came in another way than by mail."""
    get_object_or_404(Domain, pk=pk)
    files = request.FILES.getlist("file")
    if not files:
        messages.error(request, "Choose a report file.")
    stored: list[ReceivedReport] = []
    repeated = 0
    for file in files:
        try:
            taken = intake.take(bytes(file.read(_LARGEST_UPLOAD)), intake.Way.UPLOAD)
        except Unfit as exc:
            messages.error(request, f"{file.name}: {exc.message}")
        else:
            stored += taken.stored
            repeated += taken.repeated
    if stored or repeated:
        messages.success(request, told(intake.Taken(tuple(stored), repeated)))
    return redirect("admin:dns_reports", pk)


def told(taken: intake.Taken) -> str:
    """What became of files, in a sentence."""
    new = f"{words.count(len(taken.stored), 'report')} stored." if taken.stored else ""
    old = (
        f"{words.count(taken.repeated, 'report was', 'reports were')} stored before."
        if taken.repeated
        else ""
    )
    others = {row.domain.name for row in taken.stored}
    return " ".join(filter(None, (new, f"About {', '.join(sorted(others))}." if others else "", old)))


@access.change
def go_on(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose the next DMARC policy or mode of MTA-STS, and publish it where that is automatic."""
    row = get_object_or_404(Domain, pk=pk)
    chosen: dict[str, Any] = {
        name: request.POST[name] for name in ("dmarc", "mta_sts") if name in request.POST
    }
    try:
        options.change(pk, **chosen)
    except QuazzarError as exc:
        messages.error(request, sentence(exc))
        return redirect("admin:dns_domain", pk)
    if for_domain(row):
        return publishing.published(request, pk)
    messages.success(request, "Saved. Now publish the records that are marked below.")
    return redirect("admin:dns_domain", pk)


_BASE = "mail-relay/dns/<int:pk>/"
urlpatterns = [
    path(f"{_BASE}reports/", page, name="dns_reports"),
    path(f"{_BASE}reports/upload/", upload, name="dns_reports_upload"),
    path(f"{_BASE}stage/", go_on, name="dns_stage"),
]
