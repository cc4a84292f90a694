"""The queue in the console, and the rows of relay settings and alerts as they are stored."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from mailrelay.console import states, urls
from mailrelay.models import (
    AlertState,
    ExpectedReport,
    ExpectedSweep,
    HourlyCount,
    LicenceWatch,
    Message,
    RelaySettings,
)
from mailrelay.queue import counts, outbox
from quazzar.access import audit
from quazzar.console import gate, shown, site
from quazzar.console.rows import GatedAdmin, ReadOnlyAdmin
from quazzar.rights import DELETE_MESSAGES, RETRY, SEE_EXPECTED, SEE_QUEUE, SEE_RELAY

Status = Message.Status

site.PAGES += urls.urlpatterns


class HasError(admin.SimpleListFilter):
    """Messages whose latest attempt failed."""

    title = "error"
    parameter_name = "error"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Has an error"), ("no", "Has none")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in ("yes", "no"):
            return queryset.filter(last_error__isnull=self.value() == "no")
        return queryset


class Waiting(admin.SimpleListFilter):
    """Messages that have not left yet: queued, being sent, or to be retried."""

    title = "waiting"
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Not left yet")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "yes":
            return queryset.filter(status__in=[Status.QUEUED, Status.SENDING, Status.RETRYING])
        return queryset


@admin.register(Message)
class MessageAdmin(GatedAdmin):
    """The queue. Messages are retried and deleted, never edited, and their bodies are never shown."""

    change_form_template = "mailrelay/message.html"
    list_before_template = "mailrelay/_pills.html"
    list_display = ("state", "mail", "source", "attempts", "next_attempt", "error", "created")
    list_display_links = ("mail",)
    list_filter: ClassVar[list[Any]] = ["status", "source", HasError, Waiting]
    search_fields = ("subject", "message_id", "to", "recipients")
    search_help_text = "Search subject, recipient or Message-ID"
    ordering = ("-id",)
    list_per_page = 50
    actions = ("retry_selected",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        """Without the bodies: they are sealed, large, and not shown."""
        return cast("QuerySet[Message]", super().get_queryset(request)).defer("body")

    # --- who may

    see, delete = SEE_QUEUE, DELETE_MESSAGES

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Who has the right to retry messages; they are never edited."""
        return RETRY(request.user)

    # --- columns

    @admin.display(description="Status", ordering="status")
    def state(self, message: Message) -> str:
        return states.message_badge(message)

    @admin.display(description="Mail", ordering="subject")
    def mail(self, message: Message) -> str:
        """The subject, and the first recipient with the number of the others."""
        first, *more = message.to or [recipient["address"] for recipient in message.recipients] or ["nobody"]
        to = f"to {first} +{len(more)}" if more else f"to {first}"
        return format_html(
            '<span class="q-mail">{}{}</span>', _cut(message.subject or "(no subject)"), _cut(to)
        )

    @admin.display(description="Next attempt", ordering="next_attempt_at")
    def next_attempt(self, message: Message) -> str:
        at = message.next_attempt_at
        if message.status not in Message.PENDING or at is None:
            return shown.NOTHING
        return shown.distance(at) if at > timezone.now() else "now"

    @admin.display(description="Last error")
    def error(self, message: Message) -> str:
        """The stage that failed, and why."""
        if not message.last_error:
            return shown.NOTHING
        return _cut(f"{message.last_error.get('stage', '')}: {message.last_error.get('message', '')}")

    @admin.display(description="Created", ordering="created_at")
    def created(self, message: Message) -> str:
        return shown.moment(message.created_at)

    # --- pages

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list, with the number of messages in each status above it."""
        numbers = counts.by_status()
        pills = [(status.value, status.label, numbers[status]) for status in Status]
        context = {
            "title": "Queue",
            "pills": pills,
            "pill": request.GET.get("status__exact", ""),
            "pills_total": sum(numbers.values()),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One message: each recipient's state, the last error, the dates."""
        context = {"may_retry": self.has_retry_permission(request), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def get_urls(self) -> list[URLPattern]:
        """Django's pages of a model, and an address to retry a message."""
        view = self.admin_site.admin_view(require_POST(self.retry_view))
        return [path("<int:pk>/retry/", view, name="mailrelay_message_retry"), *super().get_urls()]

    # --- what can be done

    def retry_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Retry the message of this page, and show it again."""
        gate.require(RETRY, request)
        if wall := gate.locked(request):
            return wall
        self._retry(request, [get_object_or_404(self.get_queryset(request), pk=pk)])
        return redirect("admin:mailrelay_message_change", pk)

    @admin.action(description="Retry now", permissions=["retry"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        """Retry each selected message that can be retried, and say how many were."""
        self._retry(request, queryset)

    def _retry(self, request: HttpRequest, selected: QuerySet[Message] | list[Message]) -> None:
        retried, skipped = [], 0
        for message in selected:
            if outbox.retry(message):
                retried.append(message)
            else:
                skipped += 1
        if retried:
            audit.record("message.retried", _named(retried))
            text = f"{_count(len(retried))} put at the head of the queue."
            self.message_user(request, text, messages.SUCCESS)
        if skipped:
            text = f"{_count(skipped)} skipped: being sent, already sent, or without a body to send."
            self.message_user(request, text, messages.WARNING)

    def delete_model(self, request: HttpRequest, obj: Message) -> None:
        """Delete it, and record that in the audit log."""
        audit.record("message.deleted", _named([obj]))
        outbox.remove(Message.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        """Delete them, and record that in the audit log."""
        audit.record("message.deleted", _named(list(queryset)))
        outbox.remove(queryset)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> list[Any]:
        """Nothing: Django's own log would keep the subjects, and the audit log has the entry."""
        return []


@admin.register(RelaySettings)
class RelaySettingsAdmin(GatedAdmin, ReadOnlyAdmin):
    """How mail leaves this node: one row, none while no relay was ever set."""

    see = SEE_RELAY
    own_page, own_route = "Relay settings", "admin:mail_relay"
    list_display = ("__str__", "provider", "security", "from_address", "updated")

    @admin.display(description="Changed", ordering="updated_at")
    def updated(self, row: RelaySettings) -> str:
        return shown.moment(row.updated_at)


@admin.register(HourlyCount)
class HourlyCountAdmin(GatedAdmin, ReadOnlyAdmin):
    """How many messages were sent, failed, were deferred or waited, by the hour."""

    see = SEE_QUEUE
    list_display = ("__str__", "outcome", "number")
    list_filter = ("outcome",)


@admin.register(AlertState)
class AlertStateAdmin(GatedAdmin, ReadOnlyAdmin):
    """The latest notification of each alert group, by which the same news is mailed only once."""

    see = SEE_QUEUE
    list_display = ("key", "message", "updated")
    list_select_related = ("message",)
    search_fields = ("key",)
    ordering = ("-updated_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertState]:
        """The rows, without the body of each message."""
        return cast("QuerySet[AlertState]", super().get_queryset(request)).defer("message__body")

    @admin.display(description="Last news", ordering="updated_at")
    def updated(self, row: AlertState) -> str:
        """When the group last changed."""
        return shown.moment(row.updated_at)


@admin.register(LicenceWatch)
class LicenceWatchAdmin(GatedAdmin, ReadOnlyAdmin):
    """The licence as it was last seen, and what was mailed about it."""

    see = SEE_RELAY
    own_page, own_route = "Relay settings", "admin:mail_relay"
    list_display = ("__str__", "is_entitled", "end", "warned_days")

    @admin.display(description="Ends", ordering="ends_at")
    def end(self, row: LicenceWatch) -> str:
        """When Mail Relay is no longer included."""
        return shown.moment(row.ends_at) if row.ends_at else shown.NOTHING


@admin.register(ExpectedReport)
class ExpectedReportAdmin(GatedAdmin, ReadOnlyAdmin):
    """What is known of reports that come again and again."""

    see = SEE_EXPECTED
    list_display = ("name", "kind", "source", "state", "last")
    list_filter = ("state", "kind")
    search_fields = ("name", "title", "source")

    @admin.display(description="Last one", ordering="last_at")
    def last(self, row: ExpectedReport) -> str:
        return shown.moment(row.last_at)


@admin.register(ExpectedSweep)
class ExpectedSweepAdmin(GatedAdmin, ReadOnlyAdmin):
    """When expected reports were last looked at."""

    see = SEE_EXPECTED
    list_display = ("__str__", "at")


def _cut(text: str) -> str:
    return format_html('<span class="q-cut" title="{}">{}</span>', text, text)


def _count(number: int) -> str:
    return "One message was" if number == 1 else f"{number} messages were"


def _named(selected: list[Message]) -> str:
    return selected[0].message_id if len(selected) == 1 else f"{len(selected)} messages"
