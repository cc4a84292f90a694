"""The rows of the relay as they are stored: settings, messages, alerts and what was checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from mailrelay.console import timeline, urls
from mailrelay.events.providers import PROVIDERS
from mailrelay.models import (
    AlertState,
    EventSource,
    ExpectedReport,
    ExpectedSweep,
    Feedback,
    HourlyCount,
    Inbox,
    LicenceWatch,
    Message,
    MessageAddress,
    RelaySettings,
    Suppression,
)
from quazzar.console import shown, site
from quazzar.console.rows import GatedAdmin, ReadOnlyAdmin
from quazzar.rights import DELETE_MESSAGES, SEE_EXPECTED, SEE_QUEUE, SEE_RELAY

site.PAGES += urls.urlpatterns


def _told_by(key: str) -> str:
    """A kind of report, or a provider, in words."""
    return PROVIDERS[key].name if key in PROVIDERS else timeline.SOURCES.get(key, key).capitalize()


@admin.register(Message)
class MessageAdmin(GatedAdmin):
    """Messages have pages of their own at the same addresses (``console/messages.py``)."""

    about = "Mail that was sent, and mail that waits."
    see, delete = SEE_QUEUE, DELETE_MESSAGES


@admin.register(MessageAddress)
class MessageAddressAdmin(GatedAdmin, ReadOnlyAdmin):
    """The index by which messages are found."""

    about = "The recipients of each message, for the search."
    see = SEE_QUEUE
    own_page, own_route = "Messages", "admin:mailrelay_message_changelist"
    list_display = ("address", "message")
    list_select_related = ("message",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[MessageAddress]:
        """The rows, without the body of each message."""
        return cast("QuerySet[MessageAddress]", super().get_queryset(request)).defer("message__body")


@admin.register(RelaySettings)
class RelaySettingsAdmin(GatedAdmin, ReadOnlyAdmin):
    """How mail leaves this node: a single row, which is missing until a relay is configured."""

    about = "Where outgoing mail goes, and who gets alerts."
    see = SEE_RELAY
    own_page, own_route = "Relay settings", "admin:mail_relay"
    list_display = ("__str__", "provider", "security", "from_address", "updated")

    @admin.display(description="Changed", ordering="updated_at")
    def updated(self, row: RelaySettings) -> str:
        return shown.moment(row.updated_at)


@admin.register(HourlyCount)
class HourlyCountAdmin(GatedAdmin, ReadOnlyAdmin):
    """How many messages were sent, failed, deferred or waiting, per hour."""

    about = "Messages per hour and outcome, for the charts on Home."
    see = SEE_QUEUE
    list_display = ("began", "outcome", "number")
    list_filter = ("outcome",)

    @admin.display(description="Hour", ordering="hour")
    def began(self, row: HourlyCount) -> str:
        """When the hour began; the row that counts what the table holds now has none."""
        return "now" if row.hour == HourlyCount.STOCK else shown.moment(row.hour)


@admin.register(AlertState)
class AlertStateAdmin(GatedAdmin, ReadOnlyAdmin):
    """The latest notification of each alert group, so that the same news is mailed only once."""

    about = "The latest mail about each alert, so that the same news is mailed once."
    see = SEE_QUEUE
    hidden = ("digest",)
    list_display = ("__str__", "message", "updated")
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
    """The licence as it was last checked, and what was mailed about it."""

    about = "When the licence ends, and which warnings were mailed."
    see = SEE_RELAY
    own_page, own_route = "Relay settings", "admin:mail_relay"
    list_display = ("__str__", "is_entitled", "end", "warned_days")

    @admin.display(description="Ends", ordering="ends_at")
    def end(self, row: LicenceWatch) -> str:
        """When Mail Relay is no longer included."""
        return shown.moment(row.ends_at) if row.ends_at else shown.NOTHING


@admin.register(ExpectedReport)
class ExpectedReportAdmin(GatedAdmin, ReadOnlyAdmin):
    """Recurring reports, and what is known about them."""

    about = "Backups, cron jobs and heartbeats that report regularly."
    see = SEE_EXPECTED
    own_page, own_route = "Expected reports", "admin:expected_reports"
    list_display = ("name", "kind", "source", "state", "last")
    list_filter = ("state", "kind")
    search_fields = ("name", "title", "source")

    @admin.display(description="Last one", ordering="last_at")
    def last(self, row: ExpectedReport) -> str:
        return shown.moment(row.last_at)


@admin.register(Inbox)
class InboxAdmin(GatedAdmin, ReadOnlyAdmin):
    """Mailboxes to which bounces come."""

    about = "IMAP mailboxes to which bounces and reports come."
    see = SEE_RELAY
    own_page, own_route = "Returned mail", "admin:returned_mail"
    list_display = ("__str__", "owned", "folder", "enabled", "looked_at")


@admin.register(Feedback)
class FeedbackAdmin(GatedAdmin, ReadOnlyAdmin):
    """What became of messages after the relay took them."""

    about = "Bounces, delays, deliveries and complaints, by message and recipient."
    see = SEE_QUEUE
    own_page, own_route = "Returned mail", "admin:returned_mail"
    ordering = ("-id",)
    labels: ClassVar[dict[str, str]] = {
        "hard": "Address is dead",
        "source": "Reported by",
        "code": "SMTP reply",
    }
    spoken: ClassVar[dict[str, Callable[[str], str]]] = {"source": _told_by}
    hidden = ("report",)
    list_display = ("recipient", "kind", "hard", "status", "source", "at")
    list_filter = ("kind", "hard", "source")
    show_full_result_count = False


@admin.register(Suppression)
class SuppressionAdmin(GatedAdmin, ReadOnlyAdmin):
    """Addresses that get no more mail."""

    about = "Addresses that get no more mail, and why."
    see = SEE_QUEUE
    own_page, own_route = "Suppression list", "admin:suppressions"
    list_display = ("address", "reason", "skipped", "created_at")
    list_filter = ("reason",)
    search_fields = ("address",)


@admin.register(EventSource)
class EventSourceAdmin(GatedAdmin, ReadOnlyAdmin):
    """Webhooks that providers call."""

    about = "Webhooks that providers call when something happens to a mail."
    see = SEE_RELAY
    own_page, own_route = "Returned mail", "admin:returned_mail"
    hidden = ("token_digest",)
    labels: ClassVar[dict[str, str]] = {"last_event": "Last event", "refusal": "Why it was refused"}
    spoken: ClassVar[dict[str, Callable[[str], str]]] = {"provider": _told_by}
    list_display = ("provider", "last_event_at", "last_event", "refused_at")


@admin.register(ExpectedSweep)
class ExpectedSweepAdmin(GatedAdmin, ReadOnlyAdmin):
    """When expected reports were last checked."""

    about = "When expected reports were last checked."
    see = SEE_EXPECTED
    list_display = ("__str__", "at")
