"""Aliases: the list, one added, changed, switched off and deleted."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from mailboxes.console import access, listing, pages, states
from mailboxes.console.forms import AliasForm
from mailboxes.models import Alias, Stack
from mailboxes.provisioning import facade as provisioning
from quazzar.errors import QuazzarError

PAGE = "admin:mail_boxes_aliases"


@access.page(access.see_aliases)
@require_safe
def aliases(request: HttpRequest) -> HttpResponse:
    """The list; HTMX gets the rows alone."""
    found, on = listing.aliases(request.GET.dict()), Stack.load().enabled
    rows = [
        {"alias": row, "mark": states.of_row(row, enabled=on), "waiting": on and not row.synced}
        for row in found.page
    ]
    context = {"listing": found, "rows": rows}
    if request.headers.get("HX-Target") == "list":
        return pages.part(request, "_aliases.html", {**context, "may": pages.permissions(request.user)})
    return pages.page(request, "aliases.html", {**context, "domains": listing.choices()})


@access.page(access.may("add_alias"))
def add(request: HttpRequest) -> HttpResponse:
    """A new alias."""
    posted = request.method == "POST"
    domains = listing.choices()
    domain = request.GET.get("domain", "") or (domains[0][0] if domains else "")
    form = AliasForm(request.POST if posted else None, domains=domains, domain=domain)
    row = form.save() if posted else None
    if row is None:
        return pages.dialog(request, "_alias.html", {"form": form, "domains": domains})
    return pages.done(request, f"{row.address} is added.", PAGE)


@access.page(access.may("change_alias"))
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Destinations, and whether it forwards."""
    row = get_object_or_404(Alias, pk=pk)
    posted = request.method == "POST"
    form = AliasForm(request.POST if posted else None, row=row)
    if not posted or form.save() is None:
        return pages.dialog(request, "_alias.html", {"form": form, "row": row})
    return pages.done(request, f"{row.address} is changed.", PAGE)


@access.change(access.may("change_alias"))
def enabled(request: HttpRequest, pk: int) -> HttpResponse:
    """The switch in the list."""
    row, on = get_object_or_404(Alias, pk=pk), request.POST.get("on") == "on"
    try:
        provisioning.change_alias(row.pk, {"enabled": on})
    except QuazzarError as exc:
        return pages.refused(request, exc, PAGE)
    state = "forwards mail again" if on else "no longer forwards mail"
    return pages.done(request, f"{row.address} {state}.", PAGE)


@access.page(access.may("delete_alias"))
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks, then deletes."""
    row = get_object_or_404(Alias, pk=pk)
    if request.method != "POST":
        return pages.dialog(request, "_alias_delete.html", {"row": row})
    provisioning.remove_alias(row.pk)
    return pages.done(request, f"{row.address} is deleted.", PAGE)
