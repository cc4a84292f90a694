"""The way to a mail server and back: preflight, enable, try again, disable."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render

from mailboxes import changes
from mailboxes.console import access, pages
from mailboxes.console.forms import DisableForm, HostnameForm
from mailboxes.engine import connect as engines
from mailboxes.models import Stack
from mailboxes.stack.preflight import run as machine

_TITLES = {
    "docker": "Docker",
    "disk": "Disk",
    "memory": "Memory",
    "hostname": "Hostname",
    "reverse_dns": "Reverse DNS",
    "outbound_25": "Outgoing mail",
    "image_postfix": "Postfix image",
    "image_dovecot": "Dovecot image",
    "image_rspamd": "Rspamd image",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One check as it is shown; state is ok, warning or error."""

    id: str
    title: str
    state: str
    message: str
    hint: str


@access.change(access.change_server)
def preflight(request: HttpRequest) -> HttpResponse:
    """Looks at the machine; what it found, and the button to enable where no error stands in the way."""
    form = HostnameForm(request.POST)
    context: dict[str, object] = {"form": form, "hostname": request.POST.get("hostname", "").strip()}
    if form.is_valid():
        with engines.connect() as engine:
            report = machine.run(form.cleaned_data["hostname"].strip(), engine)
        context |= {"report": report, "rows": rows(report)}
    if access.by_htmx(request):
        return render(request, "mailboxes/_preflight.html", {**pages.state(request), **context})
    return pages.page(request, "wizard.html", context)


def rows(report: machine.Report) -> list[Row]:
    """What stands in the way first, then what only warns, then the rest."""
    order = {"error": 0, "warning": 1, "ok": 2}
    found = [
        Row(
            each.id,
            _TITLES.get(each.id) or each.id.replace("_", " ").capitalize(),
            "ok" if each.ok else each.severity,
            each.message,
            each.hint,
        )
        for each in report.checks
    ]
    return sorted(_with_free_ports_as_one(found), key=lambda row: order[row.state])


def _with_free_ports_as_one(found: list[Row]) -> list[Row]:
    free = [row for row in found if row.id.startswith("port_") and row.message.endswith(" is free.")]
    if len(free) < 2:
        return found
    *numbers, last = (row.title.removeprefix("Port ") for row in free)
    one = Row("ports", "Ports", "ok", f"{', '.join(numbers)} and {last} are free.", "")
    return [row for row in found if row not in free] + [one]


@access.change(access.change_server)
def enable(request: HttpRequest) -> HttpResponse:
    """Enables the stack; its progress follows."""
    form = HostnameForm(request.POST)
    if form.save() is None:
        return pages.page(request, "wizard.html", {"form": form})
    return redirect("admin:mail_boxes_server")


@access.change(access.change_server)
def retry(request: HttpRequest) -> HttpResponse:
    """Tries again now what failed; the sweep would, a little later."""
    changes.ring()
    return pages.done(request, "The worker tries again.", "admin:mail_boxes_server")


@access.page(access.change_server)
def disable(request: HttpRequest) -> HttpResponseBase:
    """Asks whether the data stays, then takes the stack down."""
    stack = Stack.load()
    form = DisableForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or form.save() is None:
        return pages.dialog(request, "_disable.html", {"form": form, "stack": stack})
    kept = (
        "Everything in its volumes is removed."
        if form.cleaned_data["purge"]
        else "Mail and mailboxes are kept."
    )
    messages.success(request, f"The mail server is being stopped. {kept}")
    return pages.reload() if access.by_htmx(request) else redirect("admin:mail_boxes_server")
