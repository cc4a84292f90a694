"""Mailboxes in the tab: the lists, adding, changing and disabling, deleting and restoring, one or many."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_safe

from mailboxes.console import access, bulk, connection, listing, pages, states
from mailboxes.models import Mailbox, Stack
from mailboxes.provisioning import passwords, retention
from mailboxes.provisioning.mailboxes import (
    add_mailbox,
    change_mailbox,
    remove_mailbox,
    remove_mailboxes,
    restore_mailbox,
    set_mailboxes_enabled,
)
from quazzar import words
from quazzar.console.forms import (
    INPUT,
    VERBATIM,
    AddressesField,
    NumberField,
    SavingForm,
    address_lines,
    switch,
    text_input,
)
from quazzar.console.pages import CHANGED, done, refused, sentence
from quazzar.errors import QuazzarError

_MIB_PER_GIB = 1024


class AddressForm(SavingForm):
    """The form of something with an address on this node, which cannot be changed later."""

    renamed: ClassVar[dict[str, str]] = {"quota_mb": "quota", "domain_id": "domain"}
    refused_at = "local_part"

    domain = forms.ChoiceField(
        label="Domain",
        widget=forms.Select(attrs=INPUT),
        error_messages={"invalid_choice": "This domain no longer exists. Choose another one."},
    )
    local_part = forms.CharField(
        label="Address",
        widget=text_input(placeholder="anna"),
        error_messages={"required": "Enter the part before the @."},
    )

    def fix_address(self, row: object, domains: list[tuple[str, str]]) -> None:
        """Offer these domains for a new row; leave the address out for an existing one."""
        if row:
            del self.fields["domain"], self.fields["local_part"]
        else:
            field = self.fields["domain"]
            assert isinstance(field, forms.ChoiceField)
            field.choices = domains


class MailboxForm(AddressForm):
    """A new mailbox, or what can be changed of one."""

    #: Fields that are columns of the row as they are typed.
    columns: ClassVar[tuple[str, ...]] = ("display_name", *Mailbox.switches())

    display_name = forms.CharField(
        label="Display name",
        required=False,
        help_text="Optional. Shown here, and used by mail programs during setup.",
        widget=forms.TextInput(attrs={**INPUT, "placeholder": "Anna Example", "autocomplete": "off"}),
    )
    password = forms.CharField(
        label="Password",
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={**VERBATIM, "autocomplete": "new-password"}),
    )
    quota = NumberField(
        label="Quota",
        required=False,
        widget=forms.NumberInput(
            attrs={**INPUT, "min": 0, "inputmode": "numeric", "placeholder": "No limit"}
        ),
    )
    forward_to = AddressesField(
        label="Forward to",
        required=False,
        help_text="Optional. Other addresses that also receive its mail.",
        widget=address_lines("anna@elsewhere.net"),
    )
    quota_unit = forms.ChoiceField(
        label="Unit of the quota",
        choices=[("gb", "GiB"), ("mb", "MiB")],
        required=False,
        initial="gb",
        widget=forms.Select(attrs=INPUT),
    )

    def __init__(
        self,
        data: Any = None,
        *,
        row: Mailbox | None = None,
        domains: list[tuple[str, str]] | None = None,
        domain: str = "",
    ) -> None:
        self.row = row
        super().__init__(data, initial=_values(row) if row else {"domain": domain})
        for name, field in Mailbox.switches().items():
            self.fields[name] = switch(str(field.verbose_name), initial=field.default)
        self.fix_address(row, domains or [])

    def texts(self) -> list[forms.BoundField]:
        """Return the columns to type."""
        return [self[name] for name in self.columns if self[name].widget_type != "checkbox"]

    def switches(self) -> list[forms.BoundField]:
        """Return the columns to switch on and off."""
        return [self[name] for name in self.columns if self[name].widget_type == "checkbox"]

    def clean(self) -> dict[str, Any]:
        """A new mailbox needs a password: without one nobody could sign in."""
        values = super().clean() or {}
        if self.row is None and not values.get("password"):
            self.add_error("password", "Enter a password, or generate one.")
        return values

    def save(self) -> Mailbox | None:
        """Add the mailbox, or change the one there is; an empty password keeps the one that is set."""
        return self.attempt(self._change if self.row else self._add)

    def _add(self, values: dict[str, Any]) -> Mailbox:
        return add_mailbox(
            int(values["domain"]),
            values["local_part"],
            password=values["password"] or None,
            quota_mb=_quota_mb(values),
            forward_to=values["forward_to"],
            **{name: values[name] for name in self.columns},
        )

    def _change(self, values: dict[str, Any]) -> Mailbox:
        assert self.row is not None
        changes = {name: values[name] for name in (*self.columns, "forward_to", "password")}
        change_mailbox(self.row.pk, {**changes, "quota_mb": _quota_mb(values)})
        return self.row


def _values(row: Mailbox) -> dict[str, Any]:
    whole = row.quota_mb % _MIB_PER_GIB == 0
    return {
        **{name: getattr(row, name) for name in MailboxForm.columns},
        "forward_to": row.forward_to,
        "quota": (row.quota_mb // _MIB_PER_GIB if whole else row.quota_mb) or None,
        "quota_unit": "gb" if whole else "mb",
    }


def _quota_mb(values: dict[str, Any]) -> Any:
    quota = values["quota"] or 0
    in_gib = values["quota_unit"] != "mb"
    return quota * _MIB_PER_GIB if in_gib and isinstance(quota, int) else quota


# --- the list


def _enable(ids: list[int]) -> bulk.Result:
    changed = set_mailboxes_enabled(ids, True)
    return bulk.Result(
        f"{words.count(changed, 'mailbox', 'mailboxes')} can sign in again."
        if changed
        else "They can already sign in."
    )


def _disable(ids: list[int]) -> bulk.Result:
    changed = set_mailboxes_enabled(ids, False)
    return bulk.Result(
        f"{words.count(changed, 'mailbox', 'mailboxes')} can no longer sign in; mail to them is still received."
        if changed
        else "They were already disabled."
    )


def _remove(ids: list[int]) -> bulk.Result:
    removed = words.count(remove_mailboxes(ids), "mailbox is", "mailboxes are")
    return bulk.Result(f"{removed} deleted. {_restorable()}")


def _restorable() -> str:
    days = words.count(retention.period().days, "day")
    return f"You can restore them, with their mail, for {days}."


BULK = bulk.Bulk(
    "mailbox,mailboxes",
    pages.LIST,
    "address",
    listing.mailboxes,
    [
        bulk.Action(
            "enable",
            "Enable",
            "check_circle",
            access.change_mailboxes,
            "Their owners can sign in again, with their old passwords.",
            _enable,
        ),
        bulk.Action(
            "disable",
            "Disable",
            "block",
            access.change_mailboxes,
            "Their owners can no longer sign in, and open sessions end. Mail to them is still received.",
            _disable,
        ),
        bulk.Action(
            "delete",
            "Delete",
            "delete",
            access.delete_mailboxes,
            "Their owners can no longer sign in, open sessions end, and mail to them is refused. You can "
            "restore them with their mail under Deleted, until they are removed for good.",
            _remove,
            dangerous=True,
        ),
    ],
)


@access.page(access.see_mailboxes)
@require_safe
def mailboxes(request: HttpRequest) -> HttpResponse:
    """List the mailboxes by address, with search and bulk actions."""
    listed, on = listing.mailboxes(request.GET.dict()), Stack.load().enabled
    rows = [
        {
            "mailbox": mailbox,
            "mark": states.row_badge(mailbox, enabled=on),
            "usage": states.usage(mailbox),
            "waiting": on and not mailbox.synced,
        }
        for mailbox in listed.page
    ]
    context = {
        "listing": listed,
        "rows": rows,
        "bulk": BULK.buttons(request.user),
        "domains": listing.choices,
        "states": listing.MAILBOX_STATES.items(),
    }
    return pages.list_page(request, "mailboxes", context)


# --- one mailbox


@access.page(access.add_mailboxes)
@sensitive_post_parameters("password")
def add(request: HttpRequest) -> HttpResponse:
    """A new mailbox, then what its owner types into a mail program."""
    posted = request.method == "POST"
    domains = listing.choices()
    chosen = request.GET.get("domain", "") or (domains[0][0] if domains else "")
    form = MailboxForm(request.POST if posted else None, domains=domains, domain=chosen)
    row = form.save() if posted else None
    if row is None:
        context = {"form": form, "domains": domains, "was_generated": "generated" in request.POST}
        return pages.dialog(request, "_mailbox.html", context)
    return _connection(request, row, f"{row.address} is added")


def _connection(request: HttpRequest, row: Mailbox, title: str) -> HttpResponse:
    """The connection settings, with the password when it was generated: it is shown here for the last time."""
    password = request.POST.get("password", "") if request.POST.get("generated") else ""
    row.refresh_from_db()
    context = {**connection.context(request, row), "heading": title, "password": password}
    answer = pages.dialog(request, "_connection.html", context)
    answer["HX-Trigger"] = CHANGED
    return answer


@access.change(access.add_mailboxes | access.change_mailboxes)
def generate(request: HttpRequest) -> HttpResponse:
    """The password field with a new random password in it."""
    return render(request, "mailboxes/_password.html", {"generated": passwords.generate()})


@access.page(access.change_mailboxes)
@sensitive_post_parameters("password")
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """What can be changed of a mailbox."""
    row = _live(pk)
    posted = request.method == "POST"
    form = MailboxForm(request.POST if posted else None, row=row)
    if not posted or form.save() is None:
        context = {"form": form, "row": row, "was_generated": "generated" in request.POST}
        return pages.dialog(request, "_mailbox.html", context)
    if request.POST.get("generated") and request.POST.get("password"):
        return _connection(request, row, f"{row.address} is changed")
    return done(request, f"{row.address} is changed.", pages.LIST)


@access.change(access.change_mailboxes)
def enabled(request: HttpRequest, pk: int) -> HttpResponse:
    """The switch in the list."""
    row, on = _live(pk), request.POST.get("on") == "on"
    change_mailbox(row.pk, {"enabled": on})
    state = "can sign in again" if on else "can no longer sign in; mail to it is still received"
    return done(request, f"{row.address} {state}.", pages.LIST)


@access.page(access.delete_mailboxes)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for confirmation on GET, and delete the mailbox on POST."""
    row = _live(pk)
    if request.method != "POST":
        context = {"row": row, "usage": states.usage(row)}
        return pages.dialog(request, "_mailbox_delete.html", context)
    remove_mailbox(row.pk)
    days = words.count(retention.period().days, "day")
    text = f"{row.address} is deleted. You can restore it, with its mail, for {days}."
    return done(request, text, pages.LIST)


def _live(pk: int) -> Mailbox:
    return get_object_or_404(Mailbox.objects.live(), pk=pk)


# --- deleted ones


def _restore(ids: list[int]) -> bulk.Result:
    """Restore each one separately, so that one whose address has been taken does not block the others."""
    restored, problems = 0, []
    for row in retention.restorable(timezone.now()).filter(pk__in=ids).order_by("address"):
        try:
            restore_mailbox(row.pk)
            restored += 1
        except QuazzarError as exc:
            problems.append(f"{row.address}: {sentence(exc)}")
    text = (
        f"{words.count(restored, 'mailbox is', 'mailboxes are')} back, with their mail and their passwords."
    )
    return bulk.Result(text if restored else "No mailbox was restored.", problems)


DELETED_BULK = bulk.Bulk(
    "deleted mailbox,deleted mailboxes",
    pages.DELETED,
    "address",
    listing.deleted,
    [
        bulk.Action(
            "restore",
            "Restore",
            "restore_from_trash",
            access.add_mailboxes,
            "They come back with their mail and passwords.",
            _restore,
        ),
    ],
)


@access.page(access.see_mailboxes)
@require_safe
def deleted(request: HttpRequest) -> HttpResponse:
    """Deleted mailboxes that can still be restored, the latest first."""
    listed = listing.deleted(request.GET.dict())
    rows = [
        {"mailbox": row, "until": retention.restorable_until(row), "size": words.size(row.usage_bytes)}
        for row in listed.page
    ]
    context = {"listing": listed, "rows": rows, "bulk": DELETED_BULK.buttons(request.user)}
    return pages.list_page(request, "deleted", context)


@access.change(access.add_mailboxes)
def restore(request: HttpRequest, pk: int) -> HttpResponse:
    """A deleted mailbox, as it was."""
    try:
        row = restore_mailbox(pk)
    except QuazzarError as exc:
        return refused(request, exc, pages.DELETED)
    return done(request, f"{row.address} is back, with its mail and its password.", pages.DELETED)
