"""Domains: the list, one added, its catch-all changed, one deleted."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from mailboxes.console import access, listing, pages, states
from mailboxes.console.forms import DomainForm
from mailboxes.models import Domain, Mailbox, Stack
from mailboxes.provisioning import facade as provisioning
from quazzar.errors import QuazzarError

PAGE = "admin:mail_boxes_domains"


@access.page(access.see_domains)
@require_safe
def domains(request: HttpRequest) -> HttpResponse:
    """The list; HTMX gets the rows alone."""
    found, on = listing.domains(request.GET.dict()), Stack.load().enabled
    rows = [
        {"domain": row, "mark": states.of_row(row, enabled=on), "waiting": on and not row.synced}
        for row in found.page
    ]
    context = {"listing": found, "rows": rows}
    if request.headers.get("HX-Target") == "list":
        return pages.part(request, "_domains.html", {**context, "may": pages.permissions(request.user)})
    return pages.page(request, "domains.html", context)


@access.page(access.may("add_domain"))
def add(request: HttpRequest) -> HttpResponse:
    """A new domain; its DKIM key is made with it."""
    posted = request.method == "POST"
    form = DomainForm(request.POST if posted else None)
    row = form.save() if posted else None
    if row is None:
        return pages.dialog(request, "_domain.html", {"form": form})
    return pages.done(request, f"{row.name} is added. Publish its DNS records next.", PAGE)


@access.page(access.may("change_domain"))
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The catch-all."""
    row = get_object_or_404(Domain, pk=pk)
    posted = request.method == "POST"
    form = DomainForm(request.POST if posted else None, row=row)
    if not posted or form.save() is None:
        return pages.dialog(request, "_domain.html", {"form": form, "row": row})
    return pages.done(request, f"{row.name} is changed.", PAGE)


@access.page(access.may("delete_domain"))
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks, then deletes; a domain with mailboxes is refused."""
    row = get_object_or_404(Domain, pk=pk)
    context: dict[str, object] = {
        "row": row,
        "mailboxes": Mailbox.objects.filter(domain=row, deleted_at=None).count(),
        "aliases": row.aliases.count(),
    }
    if request.method != "POST":
        return pages.dialog(request, "_domain_delete.html", context)
    try:
        provisioning.remove_domain(row.pk)
    except QuazzarError as exc:
        return pages.dialog(request, "_domain_delete.html", {**context, "error": exc})
    return pages.done(request, f"{row.name} is deleted.", PAGE)
