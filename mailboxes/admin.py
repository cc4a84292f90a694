"""Stack, domains, mailboxes, aliases and imports as tables; and the Mailboxes tab's place in the console."""

from __future__ import annotations

from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join

from mailboxes.console import listing, states, urls
from mailboxes.console.tables.forms import AliasModelForm, DomainModelForm, MailboxModelForm
from mailboxes.console.tables.pages import Arrival, Deletion, PageOfModel, ReadOnly
from mailboxes.models import Alias, Domain, ImportJob, Mailbox, Stack
from mailboxes.provisioning import facade as provisioning
from quazzar import words
from quazzar.console import shown
from quazzar.console import site as console
from quazzar.console.pages import sentence
from quazzar.errors import QuazzarError

console.PAGES += urls.urlpatterns


@admin.register(Stack)
class StackAdmin(ReadOnly):
    """The mail server's row as it is; it is changed in the Mailboxes tab."""

    list_display = ("hostname", "phase_in_words", "generations", "problem", "seen")
    fields = (
        "hostname", "phase_in_words", "generations", "problem", "progress_message", "waiting", "containers",
        "send_through_relay", "warn_mailbox_owners", "tls_source", "tls_certificate_path", "tls_expires_at", "seen",
    )  # fmt: skip
    readonly_fields = ("phase_in_words", "generations", "problem", "waiting", "containers", "seen")

    @admin.display(description="Phase", ordering="phase")
    def phase_in_words(self, row: Stack) -> str:
        """As a badge."""
        return states.of_stack(row)

    @admin.display(description="Generation")
    def generations(self, row: Stack) -> str:
        """Applied and desired."""
        return f"{row.applied_generation} of {row.desired_generation} is live"

    @admin.display(description="Last error")
    def problem(self, row: Stack) -> str:
        """Its sentence."""
        return str((row.last_error or {}).get("message", "")) or shown.NOTHING

    @admin.display(description="Waits for you")
    def waiting(self, row: Stack) -> str:
        """What would interrupt mail."""
        return " ".join(row.pending) or shown.NOTHING

    @admin.display(description="Containers")
    def containers(self, row: Stack) -> str:
        """Each with its health."""
        return format_html_join(
            " ", "{} {}", ((each.name, shown.badge(each.word, each.tone)) for each in states.services(row))
        )

    @admin.display(description="Seen", ordering="observed_at")
    def seen(self, row: Stack) -> str:
        """When the worker last looked."""
        return shown.distance(row.observed_at)


@admin.register(Domain)
class DomainAdmin(PageOfModel):
    """Mail domains."""

    form = DomainModelForm
    refused_at = "name"
    list_display = ("name", "mailbox_count", "alias_count", "catch_all", "dkim", "mark", "created")
    list_filter: ClassVar[list[Any]] = [Arrival]
    search_fields = ("name", "catch_all")
    search_help_text = "Search name or catch-all"
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Domain]:
        """With the number of mailboxes and aliases."""
        return listing.counted(cast("QuerySet[Domain]", super().get_queryset(request)))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """The name is fixed."""
        return ("name", "dkim", "mark", "created") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """What is known of it stands below what can be changed."""
        return ("name", "catch_all", *(("dkim", "mark", "created") if obj else ()))

    @admin.display(description="Mailboxes", ordering="mailbox_count")
    def mailbox_count(self, row: Any) -> int:
        """Live ones."""
        return int(row.mailbox_count)

    @admin.display(description="Aliases", ordering="alias_count")
    def alias_count(self, row: Any) -> int:
        """All of them."""
        return int(row.alias_count)

    @admin.display(description="DKIM")
    def dkim(self, row: Domain) -> str:
        """The selector, and whether its key can be opened."""
        words = {"none": "no key yet", "ready": "key is there", "unreadable": "key unreadable"}
        return f"{row.dkim_selector}: {words[row.dkim_state]}"

    def save_model(self, request: HttpRequest, obj: Domain, form: Any, change: Any) -> None:
        """Through the domain function."""
        if change:
            provisioning.change_domain(obj.pk, form.changes("catch_all"))
        else:
            _become(obj, provisioning.add_domain(**form.changes("name", "catch_all")))

    def delete_model(self, request: HttpRequest, obj: Domain) -> None:
        """Through the domain function; one with mailboxes is refused."""
        provisioning.remove_domain(obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Domain]) -> None:
        """All or none, in one change."""
        provisioning.remove_domains(_ids(queryset))


@admin.register(Mailbox)
class MailboxAdmin(PageOfModel):
    """Mailboxes; a deleted one can only be restored."""

    form = MailboxModelForm
    refused_at = "local_part"
    list_display = ("address", "display_name", "storage", "enabled", "mark", "created")
    list_filter: ClassVar[list[Any]] = ["domain", "enabled", Arrival, Deletion]
    list_select_related = ("domain",)
    search_fields = ("address", "display_name")
    search_help_text = "Search address or name"
    ordering = ("address",)
    autocomplete_fields = ("domain",)
    actions = ("enable_selected", "disable_selected", "restore_selected")
    _facts = ("storage", "mark", "created")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """The address is fixed."""
        return ("address", *self._facts) if obj else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """What is known of it stands below what can be changed."""
        rest = ("display_name", "password", "quota_mb", "enabled", "can_receive", "can_send")
        if obj is None:
            return ("domain", "local_part", *rest)
        if obj.deleted_at:
            return ("address", *(name for name in rest if name != "password"), *self._facts)
        return ("address", *rest, *self._facts)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Not of a deleted one."""
        return super().has_change_permission(request, obj) and not getattr(obj, "deleted_at", None)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Once."""
        return super().has_delete_permission(request, obj) and not getattr(obj, "deleted_at", None)

    def has_restore_permission(self, request: HttpRequest) -> bool:
        """Who may add."""
        return cast("User", request.user).has_perm("mailboxes.add_mailbox")

    @admin.display(description="Storage", ordering="usage_bytes")
    def storage(self, row: Mailbox) -> str:
        """In words, with the percentage where there is a limit."""
        usage = states.usage(row)
        return usage.text if usage.percent is None else f"{usage.text} ({usage.percent} %)"

    @admin.display(description="State")
    def mark(self, row: Mailbox) -> str:
        """Whether the running stack has it, or that it is deleted."""
        return shown.badge("Deleted", "off") if row.deleted_at else super().mark(row)

    def save_model(self, request: HttpRequest, obj: Mailbox, form: Any, change: Any) -> None:
        """Through the domain function."""
        given = form.changes("password", "display_name", "quota_mb", "enabled", "can_receive", "can_send")
        if change:
            provisioning.change_mailbox(obj.pk, given)
        else:
            where = form.cleaned_data["domain"].pk, form.cleaned_data["local_part"]
            given["password"] = given["password"] or None
            _become(obj, provisioning.add_mailbox(*where, **given))

    def delete_model(self, request: HttpRequest, obj: Mailbox) -> None:
        """Through the domain function: it can be restored."""
        provisioning.remove_mailbox(obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Mailbox]) -> None:
        """In one change."""
        provisioning.remove_mailboxes(_ids(queryset))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """Only the mailboxes: nothing goes with them, and they can be restored."""
        _, counts, _, _ = super().get_deleted_objects([], request)
        return [str(each) for each in objs], {"mailboxes": len(objs), **counts}, set(), []

    @admin.action(description="Let them sign in", permissions=["change"])
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[Mailbox]) -> None:
        """In one change."""
        self._say(request, provisioning.set_enabled(_ids(queryset), True), "may sign in")

    @admin.action(description="Refuse their sign-in", permissions=["change"])
    def disable_selected(self, request: HttpRequest, queryset: QuerySet[Mailbox]) -> None:
        """In one change."""
        self._say(request, provisioning.set_enabled(_ids(queryset), False), "can no longer sign in")

    @admin.action(description="Restore deleted ones", permissions=["restore"])
    def restore_selected(self, request: HttpRequest, queryset: QuerySet[Mailbox]) -> None:
        """Each by itself: one whose address is taken does not hold up the others."""
        restored = 0
        for row in queryset.filter(deleted_at__isnull=False):
            try:
                provisioning.restore_mailbox(row.pk)
                restored += 1
            except QuazzarError as exc:
                self.message_user(request, f"{row.address}: {sentence(exc)}", messages.ERROR)
        self._say(request, restored, "restored, with their mail")

    def _say(self, request: HttpRequest, number: int, what: str) -> None:
        text = words.count(number, "mailbox", "mailboxes")
        level = messages.SUCCESS if number else messages.WARNING
        self.message_user(request, f"{text}: {what}." if number else "Nothing was to be changed.", level)


@admin.register(Alias)
class AliasAdmin(PageOfModel):
    """Addresses that forward."""

    form = AliasModelForm
    refused_at = "local_part"
    list_display = ("address", "goes_to", "enabled", "mark", "created")
    list_filter: ClassVar[list[Any]] = ["domain", "enabled", Arrival]
    list_select_related = ("domain",)
    search_fields = ("address", "destinations")
    search_help_text = "Search address or destination"
    ordering = ("address",)
    autocomplete_fields = ("domain",)
    actions = ("enable_selected", "disable_selected")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """The address is fixed."""
        return ("address", "mark", "created") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """What is known of it stands below what can be changed."""
        if obj is None:
            return ("domain", "local_part", "destinations", "enabled")
        return ("address", "destinations", "enabled", "mark", "created")

    @admin.display(description="Goes to")
    def goes_to(self, row: Alias) -> str:
        """The first destinations."""
        first, rest = row.destinations[:2], len(row.destinations) - 2
        return ", ".join(first) + (f" and {rest} more" if rest > 0 else "")

    def save_model(self, request: HttpRequest, obj: Alias, form: Any, change: Any) -> None:
        """Through the domain function."""
        given = form.changes("destinations", "enabled")
        if change:
            provisioning.change_alias(obj.pk, given)
        else:
            where = form.cleaned_data["domain"].pk, form.cleaned_data["local_part"]
            _become(obj, provisioning.add_alias(*where, **given))

    def delete_model(self, request: HttpRequest, obj: Alias) -> None:
        """Through the domain function."""
        provisioning.remove_alias(obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Alias]) -> None:
        """In one change."""
        provisioning.remove_aliases(_ids(queryset))

    @admin.action(description="Forward their mail", permissions=["change"])
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[Alias]) -> None:
        """In one change."""
        number = provisioning.set_aliases_enabled(_ids(queryset), True)
        self.message_user(request, f"Aliases that forward again: {number}.")

    @admin.action(description="Stop forwarding", permissions=["change"])
    def disable_selected(self, request: HttpRequest, queryset: QuerySet[Alias]) -> None:
        """In one change."""
        number = provisioning.set_aliases_enabled(_ids(queryset), False)
        self.message_user(request, f"Aliases that no longer forward: {number}.")


@admin.register(ImportJob)
class ImportJobAdmin(ReadOnly):
    """Imports, never what was in them."""

    list_display = ("__str__", "badge", "done_of_total", "problem", "created", "finished")
    list_filter: ClassVar[list[Any]] = ["state"]
    fields = ("badge", "done_of_total", "problem", "created", "finished")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImportJob]:
        """Without the rows: they are sealed, and nothing here shows them."""
        return cast("QuerySet[ImportJob]", super().get_queryset(request)).defer("rows")

    @admin.display(description="State", ordering="state")
    def badge(self, job: ImportJob) -> str:
        """In words."""
        return states.of_job(job)

    @admin.display(description="Mailboxes")
    def done_of_total(self, job: ImportJob) -> str:
        """How far it is."""
        return f"{job.done} of {job.total}"

    @admin.display(description="Last error")
    def problem(self, job: ImportJob) -> str:
        """Its sentence."""
        return str((job.last_error or {}).get("message", "")) or shown.NOTHING

    @admin.display(description="Finished", ordering="finished_at")
    def finished(self, job: ImportJob) -> str:
        """When it ended."""
        return shown.moment(job.finished_at)


def _become(obj: Any, row: Any) -> None:
    """Django's admin goes on with its own instance: it becomes the row that the domain function made."""
    obj.__dict__.update(row.__dict__)


def _ids(queryset: QuerySet[Any]) -> list[int]:
    return list(queryset.values_list("pk", flat=True))
