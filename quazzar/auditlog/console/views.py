"""The audit log in the console: sentences, filters, search, pages, exports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from quazzar.auditlog import export, naming, reading, sentences
from quazzar.console import gate, pages, site
from quazzar.console.forms import INPUT, VERBATIM
from quazzar.models import ApiKey, AuditEntry
from quazzar.rights import MANAGE_OPERATORS, SEE_AUDIT_LOG, SEE_KEYS

#: First word of an action → what the filter calls it.
_GROUPS = {
    "operator": "Operators and sign-ins",
    "apikey": "API keys",
    "relay": "Relay settings",
    "message": "Messages",
    "stack": "Mail server",
    "domain": "Domains and DNS",
    "mailbox": "Mailboxes",
    "alias": "Aliases",
    "import": "Imports",
    "expected_report": "Expected reports",
    "inbox": "Inboxes",
    "suppression": "Suppression list",
    "webhook": "Webhooks of providers",
    "sign_in_policy": "Rules for signing in",
    "license": "Licence",
}
#: Actions that the filter offers one by one.
_SINGLE = {
    "operator.signed_in": "Sign-ins",
    "operator.sign_in_failed": "Failed sign-ins",
    "operator.second_factor_failed": "Failed second factors",
    "operator.locked_out": "Lockouts",
    "operator.refused": "Actions refused",
    "apikey.refused": "Refused API keys",
}
_PERIODS = (
    ("", "Any time"),
    ("1", "Last 24 hours"),
    ("7", "Last 7 days"),
    ("30", "Last 30 days"),
    ("-", "From … to …"),
)
_MOST_OFFERED = 200

Lines = Callable[[Iterable[AuditEntry]], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Row:
    """An entry as the page shows it: ``url`` leads to the operator or key, if it still exists."""

    entry: AuditEntry
    said: sentences.Sentence
    values: list[sentences.Value]
    url: str


class FilterForm(forms.Form):
    """The page's filters; invalid values are ignored."""

    who = forms.ChoiceField(required=False, widget=forms.Select(attrs=INPUT))
    what = forms.ChoiceField(required=False, widget=forms.Select(attrs=INPUT))
    address = forms.GenericIPAddressField(
        required=False, widget=forms.TextInput(attrs={**VERBATIM, "placeholder": "203.0.113.7"})
    )
    period = forms.ChoiceField(required=False, choices=_PERIODS, widget=forms.Select(attrs=INPUT))
    since = forms.DateField(required=False, widget=forms.DateInput(attrs={**INPUT, "type": "date"}))
    until = forms.DateField(required=False, widget=forms.DateInput(attrs={**INPUT, "type": "date"}))
    q = forms.CharField(
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={**VERBATIM, "type": "search", "placeholder": "Search"}),
    )

    def __init__(self, data: Any, actors: list[tuple[str, Any]]) -> None:
        super().__init__(data)
        self.fields["who"].choices = [("", "Anybody"), *actors]  # type: ignore[attr-defined]
        self.fields["what"].choices = [  # type: ignore[attr-defined]
            ("", "Anything"),
            ("By subject", [*_GROUPS.items()]),
            ("Signing in", [*_SINGLE.items()]),
        ]

    def wanted(self, now: datetime) -> reading.Filter:
        """The filter that was chosen."""
        self.full_clean()
        values = self.cleaned_data
        days, since, until = values.get("period", ""), values.get("since"), values.get("until")
        return reading.Filter(
            who=values.get("who", ""),
            what=values.get("what", ""),
            address=values.get("address", ""),
            since=now - timedelta(days=int(days)) if days.isdigit() else since and _midnight(since),
            until=None if days.isdigit() else until and _end_of(until),
            search=values.get("q", ""),
        )


def listing(request: HttpRequest) -> HttpResponse:
    """The page, or for HTMX its rows, which it fetches again every few seconds."""
    gate.require(SEE_AUDIT_LOG, request)
    form = FilterForm(request.GET, _actors(request))
    wanted = form.wanted(timezone.now())
    found = reading.page(wanted, before=pages.number(request, "before"), after=pages.number(request, "after"))
    query = {name: value for name, value in request.GET.items() if value and name in form.fields}
    context = {
        **admin.site.each_context(request),
        "title": "Audit log",
        "form": form,
        "rows": _rows(request, found.entries),
        "found": found,
        "query": urlencode(query),
        "is_filtered": bool(query),
        "is_first": found.newer is None,
        "here": reverse("admin:quazzar_auditentry_changelist"),
    }
    if gate.by_htmx(request):
        return pages.part(request, "quazzar/_auditlog.html", context)
    return TemplateResponse(request, "quazzar/auditlog.html", context)


@gate.page(SEE_AUDIT_LOG, any_plan=True)
def csv_file(request: HttpRequest) -> StreamingHttpResponse:
    """All entries that match the filters, for a spreadsheet."""
    return _file(request, export.csv_lines, "csv", "text/csv")


@gate.page(SEE_AUDIT_LOG, any_plan=True)
def json_file(request: HttpRequest) -> StreamingHttpResponse:
    """All entries that match the filters, for a program."""
    return _file(request, export.json_lines, "jsonl", "application/jsonl")


def _file(request: HttpRequest, lines: Lines, ending: str, media: str) -> StreamingHttpResponse:
    wanted = FilterForm(request.GET, _actors(request)).wanted(timezone.now())
    name = f"audit-log-{timezone.now():%Y-%m-%d}.{ending}"
    return StreamingHttpResponse(
        lines(reading.each(wanted)),
        content_type=f"{media}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _rows(request: HttpRequest, entries: Iterable[AuditEntry]) -> list[Row]:
    entries = list(entries)
    named = naming.names(request.user, entries)
    links: dict[tuple[str, int], str] = {}
    if MANAGE_OPERATORS(request.user):
        ids = {entry.user_id for entry in entries if entry.user_id and not entry.key_id}
        for pk in User.objects.filter(pk__in=ids).values_list("pk", flat=True):
            links["user", pk] = reverse("admin:auth_user_change", args=[pk])
    if SEE_KEYS(request.user):
        ids = {entry.key_id for entry in entries if entry.key_id}
        for pk in ApiKey.objects.filter(pk__in=ids).values_list("pk", flat=True):
            links["key", pk] = reverse("admin:quazzar_apikey_change", args=[pk])
    return [
        Row(
            entry,
            sentences.sentence(entry, named.get(entry.target, "")),
            sentences.values(entry),
            links.get(("key", entry.key_id) if entry.key_id else ("user", entry.user_id or 0), ""),
        )
        for entry in entries
    ]


def _actors(request: HttpRequest) -> list[tuple[str, Any]]:
    """Who can be chosen: operators, keys, and what is neither; and the one in the address, who may be gone."""
    users = User.objects.filter(is_staff=True).order_by("username").values_list("username", flat=True)
    keys = ApiKey.objects.order_by("name").values_list("name", "user__username")
    offered: list[tuple[str, Any]] = [
        ("Operators", [(f"user:{name}", name) for name in users[:_MOST_OFFERED]]),
        ("API keys", [(f"key:{name} ({user})", f"{name} ({user})") for name, user in keys[:_MOST_OFFERED]]),
        ("Others", [("system", "Quazzar itself"), ("anonymous", "Somebody who was not signed in")]),
    ]
    asked = request.GET.get("who", "")
    if asked and not any(asked == value for _, group in offered for value, _ in group):
        offered.append(("As asked", [(asked, asked.partition(":")[2] or asked)]))
    return offered


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _end_of(day: date) -> datetime | None:
    """The midnight that ends the day; None after the last day that Python knows, when nothing can be later."""
    return _midnight(day + timedelta(days=1)) if day < date.max else None


site.PAGES += [
    path("audit-log.csv", csv_file, name="audit_csv"),
    path("audit-log.jsonl", json_file, name="audit_jsonl"),
]
