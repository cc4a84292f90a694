"""The console's pages, the list of all tables, the audit log, idempotent requests and heartbeats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path

from quazzar.auditlog.console import views as auditlog
from quazzar.console import (  # noqa: F401  (some register themselves)
    apikeys,
    shown,
    signin,
    site,
)
from quazzar.console.account import operators, profile  # noqa: F401  (they and those that they import add pages)
from quazzar.console.doctor import views as doctor
from quazzar.console.doctor.views import LOOKS
from quazzar.console.help import page as helppage
from quazzar.console.home import views as home  # noqa: F401  (it adds its pages)
from quazzar.console.rows import ReadOnlyAdmin, RightfulAdmin
from quazzar.models import (
    AuditEntry,
    Finding,
    FindingChange,
    FirstStep,
    Heartbeat,
    IdempotentRequest,
    OneTimeLink,
    Operator,
    Passkey,
    Process,
    RecoveryCode,
    SealingKey,
    Session,
    SignInPolicy,
)
from quazzar.monitoring import doctor as checks
from quazzar.monitoring.doctor import Level
from quazzar.rights import MANAGE_OPERATORS, SEE_AUDIT_LOG


def tables(request: HttpRequest) -> HttpResponse:
    """Every model that the user may see."""
    apps = admin.site.get_app_list(request)
    for model in (model for app in apps for model in app["models"]):
        page = admin.site.get_model_admin(model["model"])
        model["about"] = page.about if isinstance(page, RightfulAdmin) else ""
    context = {**admin.site.each_context(request), "title": "All tables", "app_list": apps}
    return TemplateResponse(request, "quazzar/tables.html", context)


site.PAGES += [
    path("help/", helppage.page, name="help"),
    path("doctor/", doctor.page, name="doctor"),
    path("doctor/checks/", doctor.checks, name="doctor_checks"),
    path("doctor/check/", doctor.check, name="doctor_check"),
    path("doctor/history/", doctor.history, name="doctor_history"),
    path("tables/", admin.site.admin_view(tables), name="tables"),
]
cast("Any", admin.site).extra_urls = lambda: site.PAGES


@admin.register(AuditEntry)
class AuditAdmin(ReadOnlyAdmin):
    """The list is a page of its own; an entry is shown as it is stored."""

    about = "Who changed what, when and from where."
    see = SEE_AUDIT_LOG

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The entries as sentences."""
        return auditlog.listing(request)


@admin.register(Operator)
class OperatorStateAdmin(ReadOnlyAdmin):
    """What Django's user does not store: passwords to be chosen, authenticator apps, failed codes."""

    about = "Authenticator apps, wrong codes, and who must choose a new password."
    see = MANAGE_OPERATORS
    own_page, own_route = "Operators", "admin:auth_user_changelist"
    list_display = ("user", "must_change_password", "totp_since")
    list_select_related = ("user",)


@admin.register(RecoveryCode)
class RecoveryCodeAdmin(ReadOnlyAdmin):
    """When recovery codes were made and used. The codes are not stored."""

    about = "When each recovery code was created and used. The codes themselves are not stored."
    see = MANAGE_OPERATORS
    hidden = ("digest",)
    own_page, own_route = "Operators", "admin:auth_user_changelist"
    list_display = ("user", "created_at", "used_at")
    list_select_related = ("user",)


@admin.register(Passkey)
class PasskeyAdmin(ReadOnlyAdmin):
    """Operators' passkeys, without their public keys."""

    about = "Passkeys, and the host name that each works for."
    see = MANAGE_OPERATORS
    hidden = ("credential", "credential_id")
    own_page, own_route = "Operators", "admin:auth_user_changelist"
    list_display = ("user", "name", "host", "created_at", "last_used_at")
    list_select_related = ("user",)


@admin.register(OneTimeLink)
class OneTimeLinkAdmin(ReadOnlyAdmin):
    """Invitations, and links that a reset on the node made; without the links themselves."""

    about = "Invitations and password resets. The links themselves are not stored."
    see = MANAGE_OPERATORS
    hidden = ("digest",)
    own_page, own_route = "Operators", "admin:auth_user_changelist"
    list_display = ("user", "purpose", "state", "made_by", "expires_at")
    list_select_related = ("user",)


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Who is signed in, from where. The content of a session is not shown."""

    about = "Who is signed in, from where."
    see = MANAGE_OPERATORS
    hidden = ("session_key", "session_data")
    own_page, own_route = "Operators", "admin:auth_user_changelist"
    list_display = ("user", "address", "created_at", "last_seen_at")
    list_select_related = ("user",)


@admin.register(SignInPolicy)
class SignInPolicyAdmin(ReadOnlyAdmin):
    """Whether everyone needs a second factor."""

    about = "Whether everyone needs a second factor."
    see = MANAGE_OPERATORS
    own_page, own_route = "Operators", "admin:auth_user_changelist"
    list_display = ("second_factor_required",)


@admin.register(FirstStep)
class FirstStepAdmin(ReadOnlyAdmin):
    """Steps of the first run that were done once."""

    about = "Steps on Home that were done."
    see = SEE_AUDIT_LOG
    own_page, own_route = "Home", "admin:index"
    list_display = ("key", "done")

    @admin.display(description="Done", ordering="done_at")
    def done(self, row: FirstStep) -> str:
        """When it was first seen to be done."""
        return shown.moment(row.done_at)


@admin.register(IdempotentRequest)
class IdempotentRequestAdmin(ReadOnlyAdmin):
    """Requests of the last day that came with an Idempotency-Key. Their answers are never shown."""

    about = "API requests of the last day that must not be carried out twice."
    see = SEE_AUDIT_LOG
    hidden = ("fingerprint", "answer")
    list_display = ("path", "method", "principal", "key", "status", "claimed")
    search_fields = ("path", "principal", "key")
    search_help_text = "Search path, principal or key"
    ordering = ("-id",)

    @admin.display(description="Time", ordering="claimed_at")
    def claimed(self, row: IdempotentRequest) -> str:
        return shown.moment(row.claimed_at)


@admin.register(Process)
class ProcessAdmin(ReadOnlyAdmin):
    """The web and worker processes of all machines, and what each last reported."""

    about = "Web and worker processes of all machines that share this database."
    see = SEE_AUDIT_LOG
    hidden = ("secret_key",)
    own_page, own_route = "Doctor", "admin:doctor"
    list_display = ("machine", "role", "version", "licence", "seen")

    @admin.display(description="Reported", ordering="at")
    def seen(self, row: Process) -> str:
        """How long ago it last reported."""
        return shown.distance(row.at)


@admin.register(SealingKey)
class SealingKeyAdmin(ReadOnlyAdmin):
    """When which key came into force. The keys themselves are in the key file only."""

    about = "When each key of the key file came into force."
    see = SEE_AUDIT_LOG
    hidden = ("proof",)
    list_display = ("number", "since")

    @admin.display(description="In force since", ordering="at")
    def since(self, row: SealingKey) -> str:
        """When it came into force."""
        return shown.moment(row.at)


@admin.register(Heartbeat)
class HeartbeatAdmin(ReadOnlyAdmin):
    """When each part of the product last reported that it is alive."""

    about = "When the worker last reported that it is alive."
    see = SEE_AUDIT_LOG
    list_display = ("name", "seen")

    @admin.display(description="Seen", ordering="at")
    def seen(self, row: Heartbeat) -> str:
        return shown.distance(row.at)


_AREAS = {"dns": "DNS", "node": "This server", "reports": "Expected reports", "server": "Mail server"}


def _check(name: str) -> str:
    return next((each.heading for each in checks.registered() if each.name == name), name)


class RowsOfChecks(ReadOnlyAdmin):
    """Rows about the doctor's checks, in its words."""

    see = SEE_AUDIT_LOG
    own_page, own_route = "Doctor", "admin:doctor"
    spoken: ClassVar[dict[str, Callable[[str], str]]] = {
        "check_name": _check,
        "level": lambda level: LOOKS[Level(level)][0],
        "area": lambda area: _AREAS.get(area, area.capitalize()),
        "sentence": shown.timed,
    }


@admin.register(Finding)
class FindingAdmin(RowsOfChecks):
    """What the doctor's checks found last, since when, and what was mailed about it."""

    about = "What each check of Doctor found last."
    hidden = ("page",)
    list_display = ("check_name", "level", "sentence", "from_when", "mailed")
    list_filter = ("level", "area")

    @admin.display(description="Since", ordering="since")
    def from_when(self, row: Finding) -> str:
        """Since when the check has had this level."""
        return shown.moment(row.since)

    @admin.display(description="Mailed", ordering="told_at")
    def mailed(self, row: Finding) -> str:
        """When the alert recipients were mailed."""
        return shown.moment(row.told_at)


@admin.register(FindingChange)
class FindingChangeAdmin(RowsOfChecks):
    """When the doctor's checks found something new."""

    about = "What the checks of Doctor found before."
    list_display = ("check_name", "level", "sentence", "when")
    list_filter = ("level", "check_name")

    @admin.display(description="Time", ordering="at")
    def when(self, row: FindingChange) -> str:
        """When it was found."""
        return shown.moment(row.at)
