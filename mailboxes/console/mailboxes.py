"""Mailboxes: the list, one added, changed, disabled, deleted and restored."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_safe

from mailboxes.console import access, connection, listing, pages, states
from mailboxes.console.forms import MailboxForm
from mailboxes.models import Mailbox, Stack
from mailboxes.provisioning import facade as provisioning
from mailboxes.provisioning import passwords, retention
from quazzar import words
from quazzar.errors import QuazzarError

DELETED = "admin:mail_boxes_deleted"


@access.page(access.see_mailboxes)
@require_safe
def mailboxes(request: HttpRequest) -> HttpResponse:
    """The list; HTMX gets the rows alone."""
    found = listing.mailboxes(request.GET.dict())
    context = {"listing": found, "rows": list(map(_row(Stack.load().enabled), found.page))}
    if request.headers.get("HX-Target") == "list":
        whole = {**context, "may": pages.permissions(request.user), "counts": pages.counts()}
        return pages.part(request, "_mailboxes.html", whole)
    choices = {"domains": listing.choices(), "states": listing.STATES.items()}
    return pages.page(request, "mailboxes.html", {**context, **choices})


def _row(on: bool) -> Any:
    return lambda mailbox: {
        "mailbox": mailbox,
        "mark": states.of_row(mailbox, enabled=on),
        "usage": states.usage(mailbox),
        "waiting": on and not mailbox.synced,
    }


@access.page(access.add_mailboxes)
@sensitive_post_parameters("password")
def add(request: HttpRequest) -> HttpResponse:
    """A new mailbox, then what its owner types into a mail program."""
    posted = request.method == "POST"
    data = request.POST if posted else None
    domains = listing.choices()
    form = MailboxForm(data, domains=domains, domain=request.GET.get("domain", "") or _first(domains))
    row = form.save() if posted else None
    if row is None:
        context = {"form": form, "domains": domains, "was_generated": "generated" in request.POST}
        return pages.dialog(request, "_mailbox.html", context)
    return _settings(request, row, f"{row.address} is added")


def _settings(request: HttpRequest, row: Mailbox, title: str) -> HttpResponse:
    """The panel, with the password in it when it was generated: it is seen here for the last time."""
    password = request.POST.get("password", "") if request.POST.get("generated") else ""
    row.refresh_from_db()
    context = {**connection.context(request, row), "heading": title, "password": password}
    answer = pages.dialog(request, "_connection.html", context)
    answer["HX-Trigger"] = "mailboxes-changed"
    return answer


def _first(domains: list[tuple[str, str]]) -> str:
    return domains[0][0] if domains else ""


@access.change(access.may("add_mailbox", "change_mailbox"))
def generate(request: HttpRequest) -> HttpResponse:
    """The password field with a fresh password in it."""
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
        return _settings(request, row, f"{row.address} is changed")
    return pages.done(request, f"{row.address} is changed.", "admin:mail_boxes_list")


@access.change(access.change_mailboxes)
def enabled(request: HttpRequest, pk: int) -> HttpResponse:
    """The switch in the list."""
    row, on = _live(pk), request.POST.get("on") == "on"
    provisioning.change_mailbox(row.pk, {"enabled": on})
    state = "may sign in again" if on else "can no longer sign in; mail to it is still received"
    return pages.done(request, f"{row.address} {state}.", "admin:mail_boxes_list")


@access.page(access.delete_mailboxes)
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks, then deletes."""
    row = _live(pk)
    if request.method != "POST":
        context = {"row": row, "usage": states.usage(row)}
        return pages.dialog(request, "_mailbox_delete.html", context)
    provisioning.remove_mailbox(row.pk)
    days = words.count(retention.period().days, "day")
    return pages.done(
        request, f"{row.address} is deleted. For {days} it can be restored, with its mail.",
        "admin:mail_boxes_list",
    )  # fmt: skip


@access.page(access.see_mailboxes)
@require_safe
def deleted(request: HttpRequest) -> HttpResponse:
    """What can still be restored."""
    found = listing.deleted(request.GET.dict())
    rows = [
        {"mailbox": row, "until": retention.restorable_until(row), "size": words.size(row.usage_bytes)}
        for row in found.page
    ]
    context = {"listing": found, "rows": rows, "now": timezone.now()}
    if request.headers.get("HX-Target") == "list":
        return pages.part(request, "_deleted.html", {**context, "may": pages.permissions(request.user)})
    return pages.page(request, "deleted.html", context)


@access.change(access.add_mailboxes)
def restore(request: HttpRequest, pk: int) -> HttpResponse:
    """A deleted mailbox, as it was."""
    try:
        row = provisioning.restore_mailbox(pk)
    except QuazzarError as exc:
        return pages.refused(request, exc, DELETED)
    return pages.done(request, f"{row.address} is back, with its mail and its password.", DELETED)


def _live(pk: int) -> Mailbox:
    return get_object_or_404(Mailbox, pk=pk, deleted_at=None)
