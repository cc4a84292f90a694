"""The rows about DNS records as they are stored: the options set in the DNS tab, and the results of checks."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.urls import reverse

from dnsrecords.blocklists.lists import BY_KEY
from dnsrecords.console import blocklists, options, proofs, publishing, reports, tab
from dnsrecords.models import (
    BlocklistChange,
    BlocklistEntry,
    BlocklistRound,
    DomainCheck,
    DomainOptions,
    Network,
    Proof,
    ProofSchedule,
    Publisher,
    ReceivedReport,
    RecordChange,
    RecordCheck,
    RefusedReport,
    ReportedMail,
    ReportedTls,
)
from quazzar.console import shown, site
from quazzar.console.rows import GatedAdmin, ReadOnlyAdmin
from quazzar.rights import SEE_DNS, SEE_RELAY

site.PAGES += (
    blocklists.urlpatterns
    + tab.urlpatterns
    + options.urlpatterns
    + proofs.urlpatterns
    + publishing.urlpatterns
    + reports.urlpatterns
)


_ABBREVIATIONS = {"a", "mx", "spf", "dkim", "dmarc", "ptr", "tlsa", "srv", "mta", "sts", "tls", "rpt"}


def _record(key: str) -> str:
    """A record's id in words: ``SRV imaps``."""
    named = " ".join([part.upper() if part in _ABBREVIATIONS else part for part in key.split("_")])
    return named[:1].upper() + named[1:]


class RowsOfDomains(GatedAdmin, ReadOnlyAdmin):
    """Rows that belong to a domain, which has its page in the DNS tab."""

    see = SEE_DNS
    own_page, own_route = "DNS records", "admin:dns_overview"
    list_select_related = ("domain",)
    spoken: ClassVar[Any] = {"record": _record}
    labels: ClassVar[Any] = {"message": "What was found"}
    search_fields: ClassVar[tuple[str, ...]] = ("domain__name",)
    search_help_text = "Search domain"
    ordering: ClassVar[tuple[str, ...]] = ("domain__name",)

    def own_url(self, row: Any = None) -> str:
        """The domain's page in the DNS tab."""
        return reverse("admin:dns_domain", args=[row.domain_id]) if row else super().own_url()


@admin.register(DomainCheck)
class DomainCheckAdmin(RowsOfDomains):
    """When each domain was checked, and when the next check is due."""

    about = "When each domain was checked, and when it is due again."
    list_display = ("domain", "checked", "due", "signed")

    @admin.display(description="Checked", ordering="checked_at")
    def checked(self, row: DomainCheck) -> str:
        return shown.distance(row.checked_at)

    @admin.display(description="Due", ordering="due_at")
    def due(self, row: DomainCheck) -> str:
        """When the next check is due."""
        return shown.distance(row.due_at)


@admin.register(RecordCheck)
class RecordCheckAdmin(RowsOfDomains):
    """What the last check found about each record."""

    about = "What the last check found for each record."
    list_display = ("record", "domain", "badge", "since_when", "message")
    list_filter: ClassVar[list[Any]] = ["status"]
    search_fields = ("domain__name", "record")
    search_help_text = "Search domain or record"
    ordering = ("domain__name", "id")

    @admin.display(description="Status", ordering="status")
    def badge(self, row: RecordCheck) -> str:
        return tab.badge(row.status)

    @admin.display(description="Since", ordering="since")
    def since_when(self, row: RecordCheck) -> str:
        """Since when it has this status."""
        return shown.moment(row.since)


@admin.register(RecordChange)
class RecordChangeAdmin(RowsOfDomains):
    """The history: when a record changed its status, or what is published."""

    about = "The history of each record."
    list_display = ("at_when", "record", "domain", "was", "badge", "message")
    list_display_links = ("record",)
    list_filter: ClassVar[list[Any]] = ["status"]
    search_fields = ("domain__name", "record")
    search_help_text = "Search domain or record"
    ordering = ("-id",)

    @admin.display(description="When", ordering="at")
    def at_when(self, row: RecordChange) -> str:
        return shown.moment(row.at)

    @admin.display(description="Before", ordering="before")
    def was(self, row: RecordChange) -> str:
        """The status before the change, if that has changed."""
        return tab.badge(row.before) if row.before != row.status else "Value changed, still"

    @admin.display(description="After", ordering="status")
    def badge(self, row: RecordChange) -> str:
        """The status since the change."""
        return tab.badge(row.status)


@admin.register(DomainOptions)
class DomainOptionsAdmin(RowsOfDomains):
    """The options of a domain's records; a domain without a row has the defaults."""

    about = "Choices for a domain's records."
    list_display = ("domain", "dmarc", "mta_sts")
    list_filter: ClassVar[list[Any]] = ["dmarc", "mta_sts"]


@admin.register(Publisher)
class PublisherAdmin(RowsOfDomains):
    """Name servers at which domains' records are published automatically. Secrets are never shown."""

    about = "Name servers to which records are published automatically."
    list_display = ("domain", "server", "zone", "key_name", "published", "problem")

    @admin.display(description="Published", ordering="published_at")
    def published(self, row: Publisher) -> str:
        return shown.distance(row.published_at)

    @admin.display(description="Last error")
    def problem(self, row: Publisher) -> str:
        return shown.problem(row.last_error)


class RowsOfReports(RowsOfDomains):
    """Rows that reports left; their page is the domain's, below its DNS records."""

    ordering = ("-id",)
    hidden = ("key",)

    def own_url(self, row: Any = None) -> str:
        """The page of the domain's reports."""
        return reverse("admin:dns_reports", args=[row.domain_id]) if row else super().own_url()


@admin.register(ReceivedReport)
class ReceivedReportAdmin(RowsOfReports):
    """Reports that were read and counted."""

    about = "Reports that were read and counted. The files are not kept."
    list_display = ("organisation", "kind", "domain", "total", "failed", "sender", "received_at")
    list_filter: ClassVar[list[Any]] = ["kind", "way"]
    search_fields = ("organisation", "report_id", "domain__name")
    search_help_text = "Search reporter, id of the report or domain"


@admin.register(ReportedMail)
class ReportedMailAdmin(RowsOfReports):
    """What DMARC reports counted."""

    about = "Mails that claimed to be from a domain, counted per day over all DMARC reports."
    list_display = ("day", "domain", "address", "count", "dkim", "spf", "disposition")
    list_filter: ClassVar[list[Any]] = ["dkim", "spf", "disposition"]
    search_fields = ("address", "domain__name")
    search_help_text = "Search address or domain"


@admin.register(ReportedTls)
class ReportedTlsAdmin(RowsOfReports):
    """What TLS reports counted."""

    about = "SMTP sessions to a domain, counted per day over all TLS reports."
    list_display = ("day", "domain", "policy", "result", "host", "count")
    list_filter: ClassVar[list[Any]] = ["policy", "result"]


class RowsOfAll(GatedAdmin, ReadOnlyAdmin):
    """Rows about reports that belong to no domain."""

    see = SEE_DNS
    own_page, own_route = "DNS records", "admin:dns_overview"


@admin.register(Network)
class NetworkAdmin(RowsOfAll):
    """Whose the addresses in reports are."""

    about = "Who owns the addresses that reports name, according to DNS."
    list_display = ("address", "name", "operator", "country", "looked_up_at")
    search_fields: ClassVar[tuple[str, ...]] = ("address", "name", "operator")
    search_help_text = "Search address, name or network"
    ordering: ClassVar[tuple[str, ...]] = ("address",)


@admin.register(RefusedReport)
class RefusedReportAdmin(RowsOfAll):
    """How many reports were refused."""

    about = "How many reports were refused each day, and why."
    list_display = ("day", "why", "count")
    list_filter: ClassVar[list[Any]] = ["why"]
    ordering: ClassVar[tuple[str, ...]] = ("-day", "why")


def _list_name(key: str) -> str:
    return BY_KEY[key].name if key in BY_KEY else key


class RowsOfBlocklists(RowsOfAll):
    """Rows about blocklists."""

    spoken: ClassVar[Any] = {"blocklist": _list_name, "trouble": str.capitalize}
    own_page, own_route = "Blocklists", "admin:dns_blocklists"

    def title_of(self, row: Any) -> str:
        """The heading, with the list's name."""
        key = getattr(row, "blocklist", "")
        return f"{super().title_of(row).removesuffix(key)}{_list_name(key)}"


@admin.register(BlocklistEntry)
class BlocklistEntryAdmin(RowsOfBlocklists):
    """What each list says."""

    about = "What each blocklist says about the addresses that mail leaves from, and about the domains."
    list_display = ("subject", "blocklist", "listed", "reason", "trouble", "checked_at")
    list_filter: ClassVar[list[Any]] = ["listed", "blocklist", "trouble"]
    search_fields: ClassVar[tuple[str, ...]] = ("subject",)
    search_help_text = "Search address or domain"
    ordering: ClassVar[tuple[str, ...]] = ("subject", "id")


@admin.register(BlocklistChange)
class BlocklistChangeAdmin(RowsOfBlocklists):
    """When something was listed, or no longer."""

    about = "When an address or a domain was put on a blocklist or taken off."
    list_display = ("at", "subject", "blocklist", "listed", "reason")
    list_display_links = ("subject",)
    list_filter: ClassVar[list[Any]] = ["listed", "blocklist"]
    ordering: ClassVar[tuple[str, ...]] = ("-id",)


@admin.register(BlocklistRound)
class BlocklistRoundAdmin(RowsOfBlocklists):
    """When the lists are asked next."""

    about = "When the blocklists are asked next."
    list_display = ("id", "due_at")
    ordering: ClassVar[tuple[str, ...]] = ("id",)


class RowsOfProofs(GatedAdmin, ReadOnlyAdmin):
    """Rows about proofs, which have their page."""

    see = SEE_RELAY
    own_page, own_route = "Delivery proofs", "admin:proofs"


@admin.register(Proof)
class ProofAdmin(RowsOfProofs):
    """Proofs. The mail that arrived is not shown."""

    about = "Mails that were sent to prove that mail arrives, and what was found."
    labels: ClassVar[Any] = {"sentence": "What was found"}
    spoken: ClassVar[Any] = {"to": shown.address}
    list_display = ("to", "way", "state", "sentence", "started")
    list_filter: ClassVar[list[Any]] = ["state", "way", "scheduled"]
    search_fields: ClassVar[tuple[str, ...]] = ("to", "from_address")
    search_help_text = "Search address"
    ordering: ClassVar[tuple[str, ...]] = ("-id",)
    exclude = ("mail",)

    @admin.display(description="Started", ordering="created_at")
    def started(self, row: Proof) -> str:
        return shown.moment(row.created_at)

    def own_url(self, row: Any = None) -> str:
        """The address of the page that shows the proof as a picture; without a row, that of all proofs."""
        return reverse("admin:proof", args=[row.pk]) if row else super().own_url()


@admin.register(ProofSchedule)
class ProofScheduleAdmin(RowsOfProofs):
    """When a proof is sent by itself."""

    about = "When a proof is sent by itself, and how."
    list_display = ("id", "every", "way", "due_at")
    ordering: ClassVar[tuple[str, ...]] = ("id",)
