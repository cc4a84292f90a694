"""The suppression list: search, add, remove, and the bounce behind each address."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from mailrelay.console.returned.forms import SuppressionForm
from mailrelay.models import Suppression
from mailrelay.suppression import listing
from quazzar.console import gate
from quazzar.console.pages import frame, number
from quazzar.rights import CHANGE_RELAY, READ_MESSAGES, SEE_QUEUE

PAGE = "admin:suppressions"
#: Rows of a page; the API lists all.
_PAGE = 100


@gate.page(SEE_QUEUE)
@require_safe
def suppressions(request: HttpRequest) -> HttpResponse:
    """The list, newest first, a page at a time."""
    return _page(request, SuppressionForm())


def _page(request: HttpRequest, form: SuppressionForm) -> HttpResponse:
    text = request.GET.get("q", "").strip().lower()[:200]
    rows = list(_found(text, number(request, "before"))[: _PAGE + 1])
    context = {
        **frame(request),
        "title": "Suppression list",
        "rows": rows[:_PAGE],
        "older": rows[_PAGE - 1].pk if len(rows) > _PAGE else None,
        "q": text,
        "form": form,
        "may_change": CHANGE_RELAY(request.user),
    }
    return render(request, "mailrelay/suppressions.html", context)


def _found(text: str, before: int | None) -> QuerySet[Suppression]:
    rows = Suppression.objects.select_related("feedback").defer("feedback__report").order_by("-pk")
    rows = rows.filter(address__contains=text) if text else rows
    return rows.filter(pk__lt=before) if before is not None else rows


@gate.page(CHANGE_RELAY)
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """Suppress an address by hand."""
    if request.method != "POST":
        return redirect(PAGE)
    form = SuppressionForm(request.POST)
    row = form.save()
    if row is None:
        return _page(request, form)
    messages.success(request, f"Nothing is sent to {row.address} any more.")
    return redirect(PAGE)


@gate.page(SEE_QUEUE)
@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One address with the bounce or complaint behind it."""
    row = get_object_or_404(Suppression.objects.select_related("feedback", "feedback__message"), pk=pk)
    # A program may have put the original into its report where nobody looks for it.
    report = row.feedback.report if row.feedback and READ_MESSAGES(request.user) else None
    context = {
        **frame(request),
        "title": row.address,
        "row": row,
        "report": str(report.reveal()) if report is not None and report.readable else "",
        "may_change": CHANGE_RELAY(request.user),
    }
    return render(request, "mailrelay/suppression.html", context)


@gate.change(CHANGE_RELAY, PAGE)
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Send mail to this address again."""
    row = get_object_or_404(Suppression, pk=pk)
    listing.remove(pk)
    messages.success(request, f"{row.address} gets mail again.")
    return redirect(PAGE)
