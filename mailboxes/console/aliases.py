"""Aliases in the tab: the list, adding, changing and disabling, deleting, one or many."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from mailboxes.console import access, bulk, listing, pages, states
from mailboxes.console.mailboxes import AddressForm
from mailboxes.models import Alias, Stack
from mailboxes.provisioning import deadends
from mailboxes.provisioning.aliases import (
    add_alias,
    change_alias,
    remove_alias,
    remove_aliases,
    set_aliases_enabled,
)
from quazzar import words
from quazzar.console.forms import AddressesField, address_lines, switch, text_input
from quazzar.console.pages import done, refused
from quazzar.errors import QuazzarError


class AliasForm(AddressForm):
    """An address that forwards."""

    local_part = forms.CharField(
        label="Address",
        widget=text_input(placeholder="sales"),
        error_messages={"required": "Enter the part before the @."},
    )
    destinations = AddressesField(
        label="Destinations",
        widget=address_lines("anna@example.com\nben@elsewhere.net", rows=3),
        error_messages={"required": "Enter at least one address that gets the mail."},
    )
    enabled = switch("Forwards mail")

    def __init__(
        self,
        data: Any = None,
        *,
        row: Alias | None = None,
        domains: list[tuple[str, str]] | None = None,
        domain: str = "",
    ) -> None:
        self.row = row
        initial = {"destinations": row.destinations, "enabled": row.enabled} if row else {"domain": domain}
        super().__init__(data, initial=initial)
        self.fix_address(row, domains or [])

    def save(self) -> Alias | None:
        """Add the alias, or change the one there is."""
        return self.attempt(self._save)

    def _save(self, values: dict[str, Any]) -> Alias:
        destinations, on = values["destinations"], values["enabled"]
        if self.row:
            return change_alias(self.row.pk, {"destinations": destinations, "enabled": on})
        return add_alias(int(values["domain"]), values["local_part"], destinations, enabled=on)


# --- the list


def _enable(ids: list[int]) -> bulk.Result:
    changed = set_aliases_enabled(ids, True)
    return bulk.Result(
        f"{words.count(changed, 'alias forwards', 'aliases forward')} mail again."
        if changed
        else "They already forward mail."
    )


def _disable(ids: list[int]) -> bulk.Result:
    changed = set_aliases_enabled(ids, False)
    return bulk.Result(
        f"{words.count(changed, 'alias no longer forwards', 'aliases no longer forward')} mail."
        if changed
        else "They were already disabled."
    )


def _remove(ids: list[int]) -> bulk.Result:
    return bulk.Result(f"{words.count(remove_aliases(ids), 'alias is', 'aliases are')} deleted.")


_REFUSED = "After that, mail to these addresses is refused or goes to their domain's catch-all."
BULK = bulk.Bulk(
    "alias,aliases",
    pages.ALIASES,
    "address",
    listing.aliases,
    [
        bulk.Action(
            "enable",
            "Enable",
            "forward",
            access.change_aliases,
            "Mail to them is forwarded again.",
            _enable,
        ),
        bulk.Action("disable", "Disable", "block", access.change_aliases, _REFUSED, _disable),
        bulk.Action("delete", "Delete", "delete", access.delete_aliases, _REFUSED, _remove, dangerous=True),
    ],
)


@access.page(access.see_aliases)
@require_safe
def aliases(request: HttpRequest) -> HttpResponse:
    """List the aliases by address, with search and bulk actions."""
    listed, on = listing.aliases(request.GET.dict()), Stack.load().enabled
    page = list(listed.page)
    warnings = deadends.of_aliases(page)
    rows = [
        {
            "alias": row,
            "mark": states.alias_badge(row, warnings[row.pk], enabled=on),
            "waiting": on and not row.synced,
            "warnings": warnings[row.pk],
        }
        for row in page
    ]
    context = {
        "listing": listed,
        "rows": rows,
        "bulk": BULK.buttons(request.user),
        "domains": listing.choices,
        "states": listing.ALIAS_STATES.items(),
    }
    return pages.list_page(request, "aliases", context)


# --- one alias


@access.page(access.add_aliases)
def add(request: HttpRequest) -> HttpResponse:
    """Show the form for a new alias, or add it."""
    posted = request.method == "POST"
    domains = listing.choices()
    chosen = request.GET.get("domain", "") or (domains[0][0] if domains else "")
    form = AliasForm(request.POST if posted else None, domains=domains, domain=chosen)
    row = form.save() if posted else None
    if row is None:
        return pages.dialog(request, "_alias.html", {"form": form, "domains": domains})
    return done(
        request, " ".join([f"{row.address} is added.", *deadends.of_aliases([row])[row.pk]]), pages.ALIASES
    )


@access.page(access.change_aliases)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Where an alias leads, and whether it forwards."""
    row = get_object_or_404(Alias, pk=pk)
    posted = request.method == "POST"
    form = AliasForm(request.POST if posted else None, row=row)
    if not posted or form.save() is None:
        warnings = deadends.of_aliases([row])[row.pk]
        return pages.dialog(request, "_alias.html", {"form": form, "row": row, "warnings": warnings})
    return done(request, f"{row.address} is changed.", pages.ALIASES)


@access.change(access.change_aliases)
def enabled(request: HttpRequest, pk: int) -> HttpResponse:
    """The switch in the list."""
    row, on = get_object_or_404(Alias, pk=pk), request.POST.get("on") == "on"
    try:
        change_alias(row.pk, {"enabled": on})
    except QuazzarError as exc:
        return refused(request, exc, pages.ALIASES)
    state = "forwards mail again" if on else "no longer forwards mail"
    return done(request, f"{row.address} {state}.", pages.ALIASES)


@access.page(access.delete_aliases)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for confirmation on GET, and delete the alias on POST."""
    row = get_object_or_404(Alias, pk=pk)
    if request.method != "POST":
        return pages.dialog(request, "_alias_delete.html", {"row": row})
    remove_alias(row.pk)
    return done(request, f"{row.address} is deleted.", pages.ALIASES)
