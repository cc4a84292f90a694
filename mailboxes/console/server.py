"""The server in the tab: the head of every page, its own page, certificate, switches, Rspamd's password, logs."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_safe

from mailboxes.certificates import pem
from mailboxes.certificates.settings import (
    LARGEST_FILE,
    upload_certificate,
    use_certificate_files,
    use_self_signed,
)
from mailboxes.certificates.state import read as read_certificate
from mailboxes.console import access, pages, states, wizard
from mailboxes.engine import connect
from mailboxes.mailqueue import watch
from mailboxes.models import ImageUpgrade, Stack
from mailboxes.stack import control, logs, logsearch
from mailboxes.stack.blueprint.compose import export as export_compose
from quazzar.access import audit
from quazzar.console import gate
from quazzar.console.forms import SavingForm, text_input
from quazzar.console.pages import done, part, refused, reload, sentence
from quazzar.errors import QuazzarError

_TAIL = 300
_RSPAMD_WEB = 11334


@access.page(access.see_tab)
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """The mailboxes of a server that runs; otherwise the page that brings it up."""
    running = states.stage(Stack.load()) == "on"
    server_first = not running and access.see_server(request.user)
    return redirect(pages.LIST if access.see_mailboxes(request.user) and not server_first else pages.SERVER)


@access.page(access.see_tab)
@require_safe
def head(request: HttpRequest) -> HttpResponse:
    """State and navigation, fetched again every few seconds."""
    shown = {**pages.head(request), "section": request.GET.get("section", "")}
    return part(request, "mailboxes/_head.html", shown)


@access.page(access.see_server)
@require_safe
def server(request: HttpRequest) -> HttpResponse:
    """The wizard, the progress of a start or an upgrade, or the server, by the stage that the stack is in."""
    stack = Stack.load()
    if upgrade := ImageUpgrade.objects.open().first():
        return pages.page(request, "upgrade.html", wizard.upgrade_of(upgrade))
    match states.stage(stack):
        case "off":
            return pages.page(request, "wizard.html", {"form": wizard.form_for(stack)})
        case "on":
            summary = watch.read(stack)
            context = {
                "certificate": read_certificate(stack),
                "queue": summary,
                "queue_lines": [watch.line(reason) for reason in summary.reasons] if summary else [],
                **wizard.images(),
            }
            return pages.page(request, "server.html", context)
    return pages.page(request, "progress.html", wizard.progress_of(stack))


# --- switches


@access.change(access.change_server)
def through_relay(request: HttpRequest) -> HttpResponse:
    """Switch whether mail to other servers is sent through the relay."""
    return _switched(
        request,
        "send_through_relay",
        on="Mail from the mail server now leaves through the relay.",
        off="Mail from the mail server now goes straight to its destination.",
    )


@access.change(access.change_server)
def warn_owners(request: HttpRequest) -> HttpResponse:
    """Switch whether owners of nearly full mailboxes are mailed too."""
    return _switched(
        request,
        "warn_mailbox_owners",
        on="Warnings about full mailboxes go to their owners too.",
        off="Warnings about full mailboxes go to the alert recipients only.",
    )


@access.change(access.change_server)
def own_mailbox(request: HttpRequest) -> HttpResponse:
    """Switch whether Quazzar has a mailbox of its own."""
    return _switched(
        request,
        "own_mailbox",
        on="Quazzar's own mailbox is being created.",
        off="Quazzar's own mailbox is being removed.",
    )


def _switched(request: HttpRequest, setting: str, *, on: str, off: str) -> HttpResponse:
    """Set the setting to what the form says; ``on`` and ``off`` tell what is in force then."""
    is_on = request.POST.get("on") == "on"
    try:
        control.change(**{setting: is_on})
    except QuazzarError as exc:
        return refused(request, exc, pages.SERVER)
    return done(request, on if is_on else off, pages.SERVER)


@access.change(access.change_server)
def interruption(request: HttpRequest) -> HttpResponse:
    """Make the pending changes now, although they interrupt mail."""
    control.allow_interruption()
    return done(request, "The changes are being applied. Mail waits meanwhile.", pages.SERVER)


# --- certificate


class CertificateForm(SavingForm):
    """Where the server's certificate comes from."""

    source = forms.ChoiceField(choices=Stack.TlsSource.choices, widget=forms.RadioSelect)
    certificate = forms.FileField(label="Certificate", required=False, allow_empty_file=True)
    key = forms.FileField(label="Private key", required=False, allow_empty_file=True)
    certificate_path = forms.CharField(
        label="Certificate file",
        required=False,
        widget=text_input(placeholder="/etc/letsencrypt/live/mail.example.com/fullchain.pem"),
    )
    key_path = forms.CharField(
        label="Private key file",
        required=False,
        widget=text_input(placeholder="/etc/letsencrypt/live/mail.example.com/privkey.pem"),
    )

    def clean(self) -> dict[str, Any]:
        """The fields of the chosen source are filled in."""
        values = super().clean() or {}
        needed = {
            Stack.TlsSource.UPLOADED: {"certificate": "Choose a PEM file.", "key": "Choose a PEM file."},
            Stack.TlsSource.FILES: {
                "certificate_path": "Type its absolute path.",
                "key_path": "Type its absolute path.",
            },
        }.get(values.get("source", ""), {})
        for name, text in needed.items():
            if not values.get(name) and name not in self.errors:
                self.add_error(name, text)
        return values

    def clean_certificate(self) -> str:
        """The field's PEM text, typed or read from the uploaded file."""
        return self._pem("certificate")

    def clean_key(self) -> str:
        """The field's PEM text, typed or read from the uploaded file."""
        return self._pem("key")

    def _pem(self, name: str) -> str:
        upload = self.cleaned_data.get(name)
        if not upload:
            return ""
        # One byte more than allowed: the domain then says that it is too large.
        return pem.text(upload.read(LARGEST_FILE + 1))

    def save(self) -> tuple[str, ...] | None:
        """Install the certificate; return what the operator should know about it, in sentences."""
        return self.attempt(self._save)

    def _save(self, values: dict[str, Any]) -> tuple[str, ...]:
        match values["source"]:
            case Stack.TlsSource.UPLOADED:
                return upload_certificate(values["certificate"], values["key"]).warnings
            case Stack.TlsSource.FILES:
                return use_certificate_files(values["certificate_path"], values["key_path"]).warnings
        use_self_signed()
        return ()


_NOW_USED = {
    Stack.TlsSource.SELF_SIGNED: "The mail server uses a self-signed certificate.",
    Stack.TlsSource.UPLOADED: "The mail server uses the uploaded certificate.",
    Stack.TlsSource.FILES: "The mail server reads the certificate from these files, and again whenever they change.",
}


@access.page(access.change_server)
@sensitive_post_parameters("key")
def certificate(request: HttpRequest) -> HttpResponse:
    """Where the certificate comes from; a POST changes it."""
    stack = Stack.load()
    current = {
        "source": stack.tls_source,
        "certificate_path": stack.tls_certificate_path,
        "key_path": stack.tls_key_path,
    }
    posted = request.method == "POST"
    form = CertificateForm(request.POST, request.FILES) if posted else CertificateForm(initial=current)
    warnings = form.save() if posted else None
    if warnings is None:
        return pages.dialog(request, "_certificate.html", {"form": form, "stack": stack})
    messages.success(request, _NOW_USED[Stack.TlsSource(form.cleaned_data["source"])])
    for warning in warnings:
        messages.warning(request, warning)
    return reload() if gate.by_htmx(request) else redirect(pages.SERVER)


# --- Rspamd's password


@access.change(access.change_server)
def controller_password(request: HttpRequest) -> HttpResponse:
    """The password of Rspamd's web interface; showing it is recorded in the audit log."""
    return _with_password(request)


@access.change(access.change_server)
def new_controller_password(request: HttpRequest) -> HttpResponse:
    """Replace the password; the old one stops working."""
    try:
        control.new_controller_password()
    except QuazzarError as exc:
        return refused(request, exc, pages.SERVER)
    return _with_password(request)


def _with_password(request: HttpRequest) -> HttpResponse:
    password = Stack.load().controller_password
    plain = password.reveal() if password is not None and password.readable else ""
    if plain:
        audit.record("stack.controller_password_shown", control.TARGET)
    context = {
        "password": plain,
        "state": "none" if password is None else "saved" if plain else "unreadable",
        "port": _RSPAMD_WEB + settings.QUAZZAR_STACK_PORT_OFFSET,
    }
    return pages.dialog(request, "_controller.html", context)


# --- logs and Compose


@access.page(access.see_server)
@require_safe
def container_logs(request: HttpRequest) -> HttpResponse:
    """The last lines of one container, or of all; with a search, the last ones that match."""
    service = request.GET.get("service", "")
    service = service if service in logs.SERVICES else ""
    text, problems = request.GET.get("q", "").strip(), "problems" in request.GET
    searches = bool(text or problems)
    context: dict[str, object] = {"service": service, "searches": searches}
    try:
        with connect.to_docker() as engine:
            lines = logs.read(service, logs.MOST if searches else _TAIL, engine).splitlines()
        context["text"] = "\n".join(logsearch.matching(lines, text, problems=problems)[-_TAIL:])
    except QuazzarError as exc:
        context["error"] = exc
    return render(request, "mailboxes/_logs.html", context)


@access.page(access.see_server)
@require_safe
def compose(request: HttpRequest) -> HttpResponse:
    """The stack as a file for Docker Compose, without its secrets."""
    try:
        text = export_compose()
    except QuazzarError as exc:
        messages.error(request, sentence(exc))
        return redirect(pages.SERVER)
    headers = {"Content-Disposition": 'attachment; filename="docker-compose.yml"'}
    return HttpResponse(text, content_type="text/yaml; charset=utf-8", headers=headers)
