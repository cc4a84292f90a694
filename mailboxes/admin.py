"""Every row of the mailbox stack as it is stored; rows are changed in the Mailboxes tab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.db.models import Exists, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from mailboxes.console import listing, states, urls
from mailboxes.console.mail import find, logrows, queue
from mailboxes.models import (
    Alias,
    DkimKey,
    Domain,
    ImageUpgrade,
    ImportJob,
    Mailbox,
    Stack,
    StackImage,
)
from mailboxes.upgrades import newer
from quazzar.console import shown, site
from quazzar.console.rows import GatedAdmin, ReadOnlyAdmin
from quazzar.rights import (
    SEE_ALIASES,
    SEE_DNS,
    SEE_DOMAINS,
    SEE_IMPORTS,
    SEE_MAILBOXES,
    SEE_SERVER,
)

site.PAGES += [*urls.urlpatterns, *find.ROUTES, *queue.ROUTES]
for model, pages in logrows.ADMINS.items():
    admin.site.register(model, pages)


class StackRows(GatedAdmin, ReadOnlyAdmin):
    """Rows that the running stack has, or will have in a moment."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows, with what their state depends on in the server."""
        on = Stack.objects.filter(pk=1, enabled=True)
        rows: QuerySet[Any] = super().get_queryset(request)
        return cast("QuerySet[Any]", rows.annotate(server_is_on=Exists(on)))

    @admin.display(description="State")
    def state(self, row: Any) -> str:
        """Whether the running stack has applied the latest change."""
        return states.row_badge(row, enabled=row.server_is_on)

    @admin.display(description="Created", ordering="created_at")
    def created(self, row: Any) -> str:
        return shown.moment(row.created_at)


class Arrival(admin.SimpleListFilter):
    """Rows that the running stack has as they are, and those it does not have yet."""

    title = "state"
    parameter_name = "live"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "On its way"), ("yes", "Live")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in ("yes", "no"):
            return queryset.filter(applied_at__isnull=self.value() == "no")
        return queryset


class Deletion(admin.SimpleListFilter):
    """Leaves out deleted mailboxes unless they are selected."""

    title = "deleted"
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Two choices; without either: those that are not deleted."""
        return [("yes", "Deleted"), ("all", "With deleted ones")]

    def choices(self, changelist: Any) -> Any:
        """Django's "All" means: not deleted."""
        first, *rest = super().choices(changelist)
        return [{**first, "display": "Not deleted"}, *rest]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return queryset
        return queryset.filter(deleted_at__isnull=self.value() != "yes")


@admin.register(Stack)
class StackAdmin(GatedAdmin, ReadOnlyAdmin):
    """The mail server: what should run, and what the worker last observed."""

    about = "What should run on Docker, and what runs."
    see = SEE_SERVER
    own_page, own_route = "Mailboxes → Server", "admin:mail_boxes_server"
    labels: ClassVar[dict[str, str]] = {"tls_source": "Source of the certificate"}
    list_display = ("hostname", "phase_in_words", "generations", "containers", "problem", "checked")

    @admin.display(description="Phase", ordering="phase")
    def phase_in_words(self, row: Stack) -> str:
        return states.stack_badge(row)

    @admin.display(description="Generation")
    def generations(self, row: Stack) -> str:
        """Which of the changes are live."""
        return f"{row.applied_generation} of {row.desired_generation} is live"

    @admin.display(description="Containers")
    def containers(self, row: Stack) -> str:
        """Each container with its health."""
        services = (
            (service.name, shown.badge(service.word, service.tone)) for service in states.services(row)
        )
        pairs = format_html_join(" ", '<span class="q-nowrap">{} {}</span>', services)
        return format_html('<span class="q-pairs">{}</span>', pairs)

    @admin.display(description="Last error")
    def problem(self, row: Stack) -> str:
        return shown.problem(row.last_error)

    @admin.display(description="Checked", ordering="observed_at")
    def checked(self, row: Stack) -> str:
        return shown.distance(row.observed_at)


@admin.register(StackImage)
class StackImageAdmin(GatedAdmin, ReadOnlyAdmin):
    """The images that run, and what was found when newer ones were last looked for."""

    see = SEE_SERVER
    own_page, own_route = "Mailboxes → Server", "admin:mail_boxes_server"
    about = "The images that run, and whether there are newer ones."
    list_display = ("service", "ref", "found", "looked")
    spoken: ClassVar[dict[str, Callable[[str], str]]] = {"service": str.capitalize}

    @admin.display(description="Newer")
    def found(self, row: StackImage) -> str:
        return newer.sentence(row)

    @admin.display(description="Looked", ordering="looked_at")
    def looked(self, row: StackImage) -> str:
        return shown.distance(row.looked_at)


@admin.register(ImageUpgrade)
class ImageUpgradeAdmin(GatedAdmin, ReadOnlyAdmin):
    """Upgrades of the images, and how each ended."""

    see = SEE_SERVER
    own_page, own_route = "Mailboxes → Server", "admin:mail_boxes_server"
    about = "Upgrades of the images, and how each ended."
    list_display = ("__str__", "badge", "problem", "started", "finished")
    list_filter: ClassVar[list[Any]] = ["state"]

    @admin.display(description="State", ordering="state")
    def badge(self, row: ImageUpgrade) -> str:
        return states.upgrade_badge(row)

    @admin.display(description="Error")
    def problem(self, row: ImageUpgrade) -> str:
        return shown.problem(row.error)

    @admin.display(description="Started", ordering="started_at")
    def started(self, row: ImageUpgrade) -> str:
        return shown.moment(row.started_at)

    @admin.display(description="Finished", ordering="finished_at")
    def finished(self, row: ImageUpgrade) -> str:
        return shown.moment(row.finished_at)


@admin.register(Domain)
class DomainAdmin(StackRows):
    """The mail domains, as they are stored."""

    about = "Domains that this node receives mail for."
    see = SEE_DOMAINS
    own_page, own_route = "Mailboxes → Domains", "admin:mail_boxes_domains"
    list_display = ("name", "mailbox_count", "alias_count", "catch_all", "state", "created")
    list_filter: ClassVar[list[Any]] = [Arrival]
    search_fields = ("name", "catch_all")
    search_help_text = "Search name or catch-all"
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Domain]:
        """With the number of mailboxes and aliases."""
        return listing.counted(cast("QuerySet[Domain]", super().get_queryset(request)))

    def own_url(self, row: Domain | None = None) -> str:
        """The dialog with the catch-all."""
        return reverse("admin:mail_boxes_domain", args=[row.pk]) if row else super().own_url()

    @admin.display(description="Mailboxes", ordering="mailbox_count")
    def mailbox_count(self, row: Any) -> int:
        """How many mailboxes the domain has; deleted ones do not count."""
        return int(row.mailbox_count)

    @admin.display(description="Aliases", ordering="alias_count")
    def alias_count(self, row: Any) -> int:
        """How many aliases the domain has, disabled ones included."""
        return int(row.alias_count)


@admin.register(DkimKey)
class DkimKeyAdmin(GatedAdmin, ReadOnlyAdmin):
    """DKIM keys of all domains. Of the private half only its state is shown."""

    about = "The keys that sign each domain's mail."
    see = SEE_DNS
    own_page, own_route = "DNS records", "admin:dns_overview"
    list_display = ("selector", "domain", "algorithm", "state", "since_when")
    list_filter: ClassVar[list[Any]] = ["state", "algorithm"]
    list_select_related = ("domain",)
    search_fields = ("domain__name", "selector")
    search_help_text = "Search domain or selector"
    ordering = ("domain__name", "id")

    def own_url(self, row: DkimKey | None = None) -> str:
        """The domain's page in the DNS tab, where keys are rotated."""
        return reverse("admin:dns_domain", args=[row.domain_id]) if row else super().own_url()

    @admin.display(description="Since", ordering="since")
    def since_when(self, row: DkimKey) -> str:
        """When the key entered its state."""
        return shown.moment(row.since)


@admin.register(Mailbox)
class MailboxAdmin(StackRows):
    """The mailboxes as they are stored, deleted ones included."""

    about = "Addresses with storage and a password."
    see = SEE_MAILBOXES
    own_page, own_route = "Mailboxes", "admin:mail_boxes_list"
    list_display = ("address", "display_name", "storage", "enabled", "state", "created")
    list_filter: ClassVar[list[Any]] = ["domain", "enabled", Arrival, Deletion]
    list_select_related = ("domain",)
    search_fields = ("address", "display_name")
    search_help_text = "Search address or name"
    ordering = ("address",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the sealed hash: the state shows whether it can be opened."""
        return super().get_queryset(request).defer(None)

    def own_url(self, row: Mailbox | None = None) -> str:
        """The dialog of a mailbox; of a deleted one the list in which it can be restored."""
        if row is None:
            return super().own_url()
        if row.deleted_at:
            return reverse("admin:mail_boxes_deleted")
        return reverse("admin:mail_boxes_edit", args=[row.pk])

    @admin.display(description="Storage", ordering="usage_bytes")
    def storage(self, row: Mailbox) -> str:
        """In words, with the percentage where there is a limit."""
        usage = states.usage(row)
        text = usage.text if usage.percent is None else f"{usage.text} ({usage.percent} %)"
        return format_html('<span class="q-nowrap">{}</span>', text)

    @admin.display(description="State")
    def state(self, row: Mailbox) -> str:
        """Whether the running stack has it, or that it is deleted."""
        return shown.badge("Deleted", "off") if row.deleted_at else super().state(row)


@admin.register(Alias)
class AliasAdmin(StackRows):
    """The aliases, as they are stored."""

    about = "Addresses that forward."
    see = SEE_ALIASES
    own_page, own_route = "Mailboxes → Aliases", "admin:mail_boxes_aliases"
    list_display = ("address", "goes_to", "enabled", "state", "created")
    list_filter: ClassVar[list[Any]] = ["domain", "enabled", Arrival]
    list_select_related = ("domain",)
    search_fields = ("address", "destinations")
    search_help_text = "Search address or destination"
    ordering = ("address",)

    def own_url(self, row: Alias | None = None) -> str:
        """The dialog of an alias."""
        return reverse("admin:mail_boxes_alias", args=[row.pk]) if row else super().own_url()

    @admin.display(description="Goes to")
    def goes_to(self, row: Alias) -> str:
        """The first destinations, and how many more there are."""
        more = len(row.destinations) - 2
        return ", ".join(row.destinations[:2]) + (f" and {more} more" if more > 0 else "")


@admin.register(ImportJob)
class ImportJobAdmin(GatedAdmin, ReadOnlyAdmin):
    """Imports of mailboxes; their rows, with the passwords in them, are never shown."""

    about = "Mailboxes that were imported from CSV files."
    see = SEE_IMPORTS
    own_page, own_route = "Mailboxes → Import", "admin:mail_boxes_import"
    list_display = ("__str__", "badge", "done_of_total", "problem", "created", "finished")
    list_filter: ClassVar[list[Any]] = ["state"]

    @admin.display(description="State", ordering="state")
    def badge(self, job: ImportJob) -> str:
        return states.job_badge(job)

    @admin.display(description="Mailboxes")
    def done_of_total(self, job: ImportJob) -> str:
        return f"{job.done} of {job.total}"

    @admin.display(description="Last error")
    def problem(self, job: ImportJob) -> str:
        return shown.problem(job.last_error)

    @admin.display(description="Created", ordering="created_at")
    def created(self, job: ImportJob) -> str:
        return shown.moment(job.created_at)

    @admin.display(description="Finished", ordering="finished_at")
    def finished(self, job: ImportJob) -> str:
        return shown.moment(job.finished_at)
