"""Domains in the tab: the list, adding one, its catch-all, deleting one or many."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from mailboxes.console import access, bulk, listing, pages, states
from mailboxes.models import Domain, Mailbox, Stack
from mailboxes.provisioning import deadends
from mailboxes.provisioning.domains import add_domain, change_domain, remove_domain, remove_domains
from quazzar import words
from quazzar.console.forms import SavingForm, text_input
from quazzar.console.pages import done
from quazzar.errors import QuazzarError


class DomainForm(SavingForm):
    """A domain, and where mail to unknown addresses goes."""

    refused_at = "name"

    name = forms.CharField(
        label="Domain",
        widget=text_input(placeholder="example.com", inputmode="url"),
        error_messages={"required": "Enter a domain, such as example.com."},
    )
    catch_all = forms.CharField(
        label="Catch-all", required=False, widget=text_input(placeholder="Nobody", inputmode="email")
    )

    contact = forms.CharField(
        label="Contact",
        required=False,
        widget=text_input(placeholder="The catch-all, or the alert recipients", inputmode="email"),
    )

    def __init__(self, data: Any = None, *, row: Domain | None = None) -> None:
        self.row = row
        super().__init__(data, initial={"catch_all": row.catch_all, "contact": row.contact} if row else None)
        if row:
            del self.fields["name"]

    def save(self) -> Domain | None:
        """Add the domain, or change the one there is."""
        row = self.row
        if row is None:
            return self.attempt(lambda values: add_domain(**values))
        return self.attempt(lambda values: change_domain(row.pk, values))


def _remove(ids: list[int]) -> bulk.Result:
    return bulk.Result(f"{words.count(remove_domains(ids), 'domain is', 'domains are')} deleted.")


BULK = bulk.Bulk(
    "domain,domains",
    pages.DOMAINS,
    "name",
    listing.domains,
    [
        bulk.Action(
            "delete",
            "Delete",
            "delete",
            access.delete_domains,
            "After that, mail to them is refused. Their DKIM keys and aliases are deleted too. If one of them still "
            "has mailboxes, none is deleted.",
            _remove,
            dangerous=True,
        ),
    ],
)


@access.page(access.see_domains)
@require_safe
def domains(request: HttpRequest) -> HttpResponse:
    """List the domains by name, with search and bulk actions."""
    listed, on = listing.domains(request.GET.dict()), Stack.load().enabled
    page = list(listed.page)
    warnings = deadends.of_domains(page)
    rows = [
        {
            "domain": row,
            "mark": states.row_badge(row, enabled=on),
            "waiting": on and not row.synced,
            "warnings": warnings[row.pk],
        }
        for row in page
    ]
    context = {"listing": listed, "rows": rows, "bulk": BULK.buttons(request.user)}
    return pages.list_page(request, "domains", context)


@access.page(access.add_domains)
def add(request: HttpRequest) -> HttpResponse:
    """Add a domain, with its DKIM key."""
    posted = request.method == "POST"
    form = DomainForm(request.POST if posted else None)
    row = form.save() if posted else None
    if row is None:
        return pages.dialog(request, "_domain.html", {"form": form})
    return done(request, f"{row.name} is added. Publish its DNS records next.", pages.DOMAINS)


@access.page(access.change_domains)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Where mail to unknown addresses of the domain goes."""
    row = get_object_or_404(Domain, pk=pk)
    posted = request.method == "POST"
    form = DomainForm(request.POST if posted else None, row=row)
    if not posted or form.save() is None:
        warnings = deadends.of_domains([row])[row.pk]
        return pages.dialog(request, "_domain.html", {"form": form, "row": row, "warnings": warnings})
    return done(request, f"{row.name} is changed.", pages.DOMAINS)


@access.page(access.delete_domains)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask, then delete; a domain that still has mailboxes is refused."""
    row = get_object_or_404(Domain, pk=pk)
    context: dict[str, object] = {
        "row": row,
        "mailboxes": Mailbox.objects.live().filter(domain=row).count(),
        "aliases": row.aliases.count(),
    }
    if request.method != "POST":
        return pages.dialog(request, "_domain_delete.html", context)
    try:
        remove_domain(row.pk)
    except QuazzarError as exc:
        return pages.dialog(request, "_domain_delete.html", {**context, "error": exc})
    return done(request, f"{row.name} is deleted.", pages.DOMAINS)
