"""Bringing the mail server up, upgrading its images and taking it down, with the progress of each."""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from mailboxes.console import access, pages, states
from mailboxes.engine import connect
from mailboxes.models import ImageUpgrade, Stack, StackImage
from mailboxes.stack import control
from mailboxes.stack.preflight import runner
from mailboxes.upgrades import newer, notices, requests
from quazzar import words
from quazzar.console import gate
from quazzar.console.forms import SavingForm, text_input
from quazzar.console.pages import done, part, refused, reload
from quazzar.errors import QuazzarError

_TITLES = {
    "docker": "Docker",
    "disk": "Disk",
    "memory": "Memory",
    "hostname": "Hostname",
    "reverse_dns": "Reverse DNS",
    "outbound_25": "Outgoing mail",
    "container_network": "Network of containers",
    "image_postfix": "Postfix image",
    "image_dovecot": "Dovecot image",
    "image_rspamd": "Rspamd image",
}
#: Phase → what the progress page calls its step.
STEPS = (
    (Stack.Phase.PREFLIGHT, "Check this machine"),
    (Stack.Phase.PULLING, "Fetch the images"),
    (Stack.Phase.CREATING, "Create the containers"),
    (Stack.Phase.STARTING, "Start them"),
    (Stack.Phase.HEALTHY, "Healthy"),
)


class HostnameForm(SavingForm):
    """The name of the mail server."""

    hostname = forms.CharField(
        widget=text_input(placeholder="mail.example.com", inputmode="url", autofocus=True),
        error_messages={"required": "Enter the name of your mail server, such as mail.example.com."},
    )

    def save(self) -> Stack | None:
        """Enable the stack under this name."""
        return self.attempt(lambda values: control.enable(values["hostname"]))


def form_for(stack: Stack) -> HostnameForm:
    """The wizard's form, with the name that an earlier server had."""
    return HostnameForm(initial={"hostname": stack.hostname})


# --- preflight


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
    """Check the machine; show what was found and, when there is no error, the button that enables."""
    form = HostnameForm(request.POST)
    context: dict[str, object] = {"form": form, "hostname": request.POST.get("hostname", "").strip()}
    if form.is_valid():
        with connect.to_docker() as engine:
            report = runner.run(form.cleaned_data["hostname"].strip(), engine, inside=True)
        context |= {"report": report, "rows": rows(report)}
    if gate.by_htmx(request):
        return render(request, "mailboxes/_preflight.html", {**pages.head(request), **context})
    return pages.page(request, "wizard.html", context)


def rows(report: runner.Report) -> list[Row]:
    """The checks: errors first, then warnings, then checks that were not run, then those that passed."""
    order = {"error": 0, "warning": 1, "not tried": 2, "ok": 3}
    checks = [
        Row(check.id, _title(check.id), _state(check), check.message, check.hint) for check in report.checks
    ]
    return sorted(_with_free_ports_as_one(checks), key=lambda row: order[row.state])


def _state(check: runner.Check) -> str:
    if not check.tried:
        return "not tried"
    return "ok" if check.ok else check.severity


def _title(name: str) -> str:
    """What the page calls a check. A port has the number under which it is published: ``Port 24025``."""
    standard = name.removeprefix("port_")
    if standard.isdecimal():
        return f"Port {int(standard) + settings.QUAZZAR_STACK_PORT_OFFSET}"
    return _TITLES.get(name) or name.replace("_", " ").capitalize()


def _with_free_ports_as_one(checks: list[Row]) -> list[Row]:
    free = [row for row in checks if row.id.startswith("port_") and row.message.endswith(" is free.")]
    if len(free) < 2:
        return checks
    *numbers, last = (row.title.removeprefix("Port ") for row in free)
    ports = Row("ports", "Ports", "ok", f"{', '.join(numbers)} and {last} are free.", "")
    return [row for row in checks if row not in free] + [ports]


# --- enable, and what follows


@access.change(access.change_server)
def enable(request: HttpRequest) -> HttpResponse:
    """Enable the stack; its progress follows."""
    form = HostnameForm(request.POST)
    if form.save() is None:
        return pages.page(request, "wizard.html", {"form": form})
    return redirect(pages.SERVER)


@access.page(access.see_server)
@require_safe
def progress(request: HttpRequest) -> HttpResponse:
    """The bar and the steps, fetched again every second; another page once it is over."""
    stack = Stack.load()
    if states.stage(stack) in ("on", "off"):
        return HttpResponse(headers={"HX-Redirect": request.path.replace("/progress/", "/")})
    percent = request.GET.get("percent", "")
    is_number = percent.isascii() and percent.isdigit() and len(percent) < 4
    context = progress_of(stack, int(percent) if is_number else 0)
    return part(request, "mailboxes/_progress.html", {"may": access.permissions(request.user), **context})


def progress_of(stack: Stack, shown: int = 0) -> dict[str, object]:
    """The steps with their states, and the percentage; one that was shown before never falls back."""
    phases = [phase for phase, _ in STEPS]
    reached = max(1, stack.step) - 1
    if stack.phase in phases:
        reached = phases.index(Stack.Phase(stack.phase))
    failed = stack.phase == Stack.Phase.FAILED
    current = "failed" if failed else "running"
    steps = [
        {"label": label, "state": "ok" if index < reached else current if index == reached else "pending"}
        for index, (_, label) in enumerate(STEPS)
    ]
    percent = stack.percent if failed else min(100, max(stack.percent, shown))
    return {"stack": stack, "stage": states.stage(stack), "steps": steps, "percent": percent}


@access.change(access.change_server)
def retry(request: HttpRequest) -> HttpResponse:
    """Retry at once what failed; the sweep would do so a little later."""
    control.try_again()
    return done(request, "The worker will try again.", pages.SERVER)


# --- upgrading the images

_Upgrade = ImageUpgrade.State
#: State of an upgrade → what its page calls the step.
UPGRADE_STEPS = (
    (_Upgrade.FETCHING, "Fetch the images"),
    (_Upgrade.SAVING, "Copy the volumes"),
    (_Upgrade.SWITCHING, "Start the new containers"),
    (_Upgrade.PROVING, "Prove that mail works"),
    (_Upgrade.OPENING, "Open the ports"),
)


def images() -> dict[str, object]:
    """What the Server page shows of images: what runs, what is newer, and the last upgrade."""
    rows = list(StackImage.objects.all())
    last = requests.latest()
    return {
        "images": [(states.SERVICES[row.service][0], row, newer.sentence(row)) for row in rows],
        "newer_images": any(row.newer for row in rows),
        "looked_at": min((row.looked_at for row in rows if row.looked_at), default=None),
        "upgrade": last,
        "upgrade_badge": states.upgrade_badge(last) if last else "",
        "upgrade_lines": notices.changed(last) if last else [],
    }


def upgrade_of(upgrade: ImageUpgrade) -> dict[str, object]:
    """The steps of an upgrade under way with their states."""
    order = [state for state, _ in UPGRADE_STEPS]
    returning = upgrade.state not in order
    reached = order.index(_Upgrade(upgrade.failed_at if returning else upgrade.state))
    current = "failed" if returning else "running"
    steps = [
        {"label": label, "state": "ok" if index < reached else current if index == reached else "pending"}
        for index, (_, label) in enumerate(UPGRADE_STEPS)
    ]
    if returning:
        steps.append({"label": "Go back to what ran before", "state": "running"})
    return {"upgrade": upgrade, "steps": steps, "returning": returning, "waits": reached > 0 or returning}


@access.page(access.see_server)
@require_safe
def upgrade_progress(request: HttpRequest) -> HttpResponse:
    """The steps of the upgrade under way, fetched again every second; the Server page once it has ended."""
    upgrade = ImageUpgrade.objects.open().first()
    if upgrade is None:
        return HttpResponse(headers={"HX-Redirect": reverse(pages.SERVER)})
    context = {"may": access.permissions(request.user), "stack": Stack.load(), **upgrade_of(upgrade)}
    return part(request, "mailboxes/_upgrade_progress.html", context)


@access.change(access.change_server)
def look_for_images(request: HttpRequest) -> HttpResponse:
    """Look for newer images in the settings, on the Docker host and in their registries."""
    try:
        rows = newer.look()
    except QuazzarError as exc:
        return refused(request, exc, pages.SERVER)
    count = sum(bool(row.newer) for row in rows)
    found = f"{words.count(count, 'newer image')} found." if count else "No newer image was found."
    messages.success(request, found)
    return reload() if gate.by_htmx(request) else redirect(pages.SERVER)


@access.page(access.change_server)
def upgrade_images(request: HttpRequest) -> HttpResponseBase:
    """Say what an upgrade does, then ask the worker for it."""
    if request.method != "POST":
        return pages.dialog(request, "_upgrade_images.html", {**images(), "stack": Stack.load()})
    try:
        requests.start()
    except QuazzarError as exc:
        return refused(request, exc, pages.SERVER)
    return reload() if gate.by_htmx(request) else redirect(pages.SERVER)


# --- disable


class DisableForm(SavingForm):
    """Whether the data is kept; it is deleted only when the hostname is repeated."""

    purge = forms.BooleanField(required=False)
    confirm = forms.CharField(required=False, widget=text_input())

    def save(self) -> Stack | None:
        """Ask for the stack to be taken down; None if the hostname was not repeated."""
        return self.attempt(lambda values: control.disable(purge=values["purge"], confirm=values["confirm"]))


@access.page(access.change_server)
def disable(request: HttpRequest) -> HttpResponseBase:
    """Ask whether the data is kept, then take the stack down."""
    stack = Stack.load()
    form = DisableForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or form.save() is None:
        return pages.dialog(request, "_disable.html", {"form": form, "stack": stack})
    kept = (
        "All mail in its volumes will be deleted."
        if form.cleaned_data["purge"]
        else "Mail and mailboxes are kept."
    )
    messages.success(request, f"The mail server is being stopped. {kept}")
    return reload() if gate.by_htmx(request) else redirect(pages.SERVER)
