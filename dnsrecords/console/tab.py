"""The DNS tab: all domains by health, and the records of one domain to copy, compare and check."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from dnsrecords.checking.check import check as check_domain
from dnsrecords.checking.report import Report, Row
from dnsrecords.checking.report import zone as zone_file
from dnsrecords.console import access, options, publishing
from dnsrecords.dkim import progress
from dnsrecords.kinds.dkim import FurtherKey
from dnsrecords.kinds.registry import kind_of
from dnsrecords.models import RecordChange
from dnsrecords.names import within
from dnsrecords.reports import summary
from dnsrecords.spf.providers import provider_of
from dnsrecords.text import strings
from dnsrecords.verdicts import Status
from mailboxes.dkim import lifecycle
from mailboxes.models import Domain, Stack
from mailboxes.provisioning import addresses, deadends
from quazzar.console import gate, shown
from quazzar.console.pages import frame, sentence
from quazzar.errors import QuazzarError
from quazzar.rights import CHANGE_SERVER

_PAGE_SIZE = 50
_HISTORY = 20
#: Status → icon, the class of its colour, and the word.
MARKS = {
    Status.OK: ("check_circle", "ok", Status.OK.word),
    Status.MISSING: ("cancel", "bad", Status.MISSING.word),
    Status.MISMATCH: ("error", "bad", Status.MISMATCH.word),
    Status.ERROR: ("cloud_off", "wait", Status.ERROR.word),
    Status.UNCHECKED: ("radio_button_unchecked", "off", Status.UNCHECKED.word),
}
#: A recommended record does not raise an alarm while it is missing.
_NOT_PUBLISHED = ("info", "off", "Not published")


@gate.page(access.see)
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """All domains, those with something wrong first."""
    search = request.GET.get("search", "").strip().lower()
    domains = Domain.objects.order_by("name")
    stored = addresses.as_stored(search)
    reports = [report for report in Report.for_domains(domains) if stored in report.domain.name]
    order = [Status.MISSING, Status.MISMATCH, Status.ERROR, Status.UNCHECKED, Status.OK]
    reports.sort(key=lambda report: order.index(report.health))
    page = Paginator(reports, _PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": [{"report": report, "mark": MARKS[report.health], **_ring(report)} for report in page],
        "search": search,
        "any": bool(reports) or bool(search),
    }
    return _page(request, "overview.html", context)


@gate.page(access.see)
@require_safe
def domain(request: HttpRequest, pk: int) -> HttpResponse:
    """One domain; HTMX gets the records alone."""
    row = get_object_or_404(Domain, pk=pk)
    context = _context(request, row)
    if not gate.by_htmx(request):
        return _page(request, "domain.html", context)
    if context["looking"] and request.GET.get("seen") == context["seen"]:
        return HttpResponse(status=204)  # nothing new yet: keep what is being typed on the page
    return render(request, "dnsrecords/_records.html", context)


@access.change
def check(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the name servers now."""
    row = get_object_or_404(Domain, pk=pk)
    check_domain(row)
    if gate.by_htmx(request):
        return render(request, "dnsrecords/_records.html", _context(request, row))
    return redirect("admin:dns_domain", pk)


@access.change
def publisher(request: HttpRequest, pk: int) -> HttpResponse:
    """Save the domain's name server and publish there at once, or show the form again with what is wrong in it."""
    row = get_object_or_404(Domain, pk=pk)
    if refused := publishing.save(request, pk):
        return _page(request, "domain.html", {**_context(request, row), **refused})
    return publishing.published(request, pk)


@access.change
def rotate(request: HttpRequest, pk: int) -> HttpResponse:
    """Begin a rotation of the DKIM key, or cancel it."""
    try:
        if "cancel" in request.POST:
            lifecycle.cancel_rotation(pk)
            messages.success(request, "Rotation cancelled. The current key keeps signing.")
        else:
            key = lifecycle.begin_rotation(pk)
            messages.success(request, f"New key {key.selector} created. Publish its record, shown below.")
    except QuazzarError as exc:
        messages.error(request, sentence(exc))
    return _at(pk, "rotation")


@access.change
def ed25519(request: HttpRequest, pk: int) -> HttpResponse:
    """Add an Ed25519 key, or remove it."""
    row = get_object_or_404(Domain, pk=pk)
    try:
        if "off" in request.POST:
            messages.success(request, progress.remove_ed25519(row).message)
        else:
            key = lifecycle.add_ed25519(pk)
            messages.success(request, f"Key {key.selector} created. Publish its record, shown below.")
    except QuazzarError as exc:
        messages.error(request, sentence(exc))
    return _at(pk, "ed25519")


def _at(pk: int, part: str) -> HttpResponse:
    """The domain's page again, at the part where the button was."""
    return redirect(f"{reverse('admin:dns_domain', args=[pk])}#{part}")


@gate.page(access.see)
@require_safe
def zone(request: HttpRequest, pk: int) -> HttpResponse:
    """Download the records as a zone file."""
    row = get_object_or_404(Domain, pk=pk)
    headers = {"Content-Disposition": f'attachment; filename="{row.name}.zone"'}
    return HttpResponse(zone_file(row), content_type="text/dns; charset=utf-8", headers=headers)


def _page(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    stack = Stack.load()
    off = {"server_is_off": bool(stack.hostname) and not stack.enabled, "hostname": stack.hostname}
    return render(request, f"dnsrecords/{template}", {**frame(request), **off, **context})


def _context(request: HttpRequest, row: Domain) -> dict[str, Any]:
    report = Report.for_domain(row)
    provider = provider_of(report.facts.relay_include)
    keys = [record for record in report.recommended if _is_key(record)]
    recommended = [record for record in report.recommended if not _is_key(record)]
    return {
        "report": report,
        "domain": row,
        "looking": report.looking,
        "warnings": deadends.of_domains([row])[row.pk],
        "seen": report.checked_at.isoformat() if report.checked_at else "",
        "required": [_entry(record) for record in report.required],
        "recommended": [_entry(record) for record in recommended],
        "keys": [_entry(record) for record in keys],
        "history": _history(report),
        "may_check": access.may_change(request.user),
        "rotation": progress.rotation(row),
        "ed25519": progress.ed25519_key(row),
        "dmarc": report.dmarc_path,
        "dmarc_chosen": report.facts.dmarc,
        "dmarc_advice": summary.dmarc_advice(row),
        "mta_sts_advice": summary.tls_advice(row),
        **options.context(row),
        **publishing.context(row),
        "hostname_chosen": bool(Stack.load().hostname),
        "may_choose_hostname": CHANGE_SERVER(request.user),
        "note": provider.note if provider else "",
        "mark": MARKS[report.health],
        **_ring(report),
    }


def badge(status: str) -> SafeString:
    """A status as a badge."""
    _, colour, word = MARKS[Status(status)]
    return shown.badge(word, colour)


def _ring(report: Report) -> dict[str, Any]:
    """What the ring of progress shows."""
    total = len(report.required)
    return {"done": report.done, "of": total, "percent": 100 * report.done // total}


def _history(report: Report) -> list[dict[str, Any]]:
    """The latest changes, named like the records above; a record that is no longer wanted is named by its id."""
    rows = {row.record.id: row for row in report.rows}

    def entry(change: RecordChange) -> dict[str, Any]:
        row = rows.get(change.record)
        return {
            "at": change.at,
            "message": change.message,
            "label": kind_of(row.record).label if row else change.record,
            "name": _short(row) or row.record.name if row else "",
            "before": MARKS[Status(change.before)][2] if change.before != change.status else "",
            "badge": badge(change.status),
            "was": change.found_before,
            "now": change.found,
        }

    return [entry(change) for change in RecordChange.objects.filter(domain=report.domain)[:_HISTORY]]


def _is_key(row: Row) -> bool:
    return row.record.kind == FurtherKey.key


def _short(row: Row) -> str:
    """The name without its zone; empty where that is not known."""
    return row.relative_name if within(row.record.name, row.zone) else ""


def _entry(row: Row) -> dict[str, Any]:
    """What ``dnsrecords/_record.html`` shows of a record."""
    record = row.record
    wanted = row.to_publish.value
    priority, _, host = record.value.partition(" ") if record.type == "MX" else ("", "", "")
    icon, colour, word = MARKS[row.status]
    if not record.required and row.status is Status.MISSING:
        icon, colour, word = _NOT_PUBLISHED
    return {
        "row": row,
        "record": record,
        "label": kind_of(record).label,
        "relative": _short(row),
        "wanted": wanted,
        "priority": priority,
        "host": host,
        "strings": strings.quoted(wanted) if record.type == "TXT" and len(strings.split(wanted)) > 1 else "",
        "icon": icon,
        "colour": colour,
        "word": word,
    }


BASE = "mail-relay/dns/"
urlpatterns = [
    path(BASE, overview, name="dns_overview"),
    path(f"{BASE}<int:pk>/", domain, name="dns_domain"),
    path(f"{BASE}<int:pk>/check/", check, name="dns_check"),
    path(f"{BASE}<int:pk>/ed25519/", ed25519, name="dns_ed25519"),
    path(f"{BASE}<int:pk>/publisher/", publisher, name="dns_publisher"),
    path(f"{BASE}<int:pk>/rotate/", rotate, name="dns_rotate"),
    path(f"{BASE}<int:pk>/zone/", zone, name="dns_zone"),
]
