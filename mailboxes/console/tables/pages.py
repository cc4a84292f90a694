"""What the models' pages have in common: the gate, refusals of the domain beside the fields, the filters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import Exists, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from mailboxes.console import states
from mailboxes.models import Stack
from quazzar.console import gate, shown
from quazzar.console.unfolded import ModelAdmin
from quazzar.errors import InvalidFields, QuazzarError

#: Attribute of a request whose first attempt was refused: field → sentences.
_REFUSALS = "mailboxes_refusals"


def refusals(request: HttpRequest) -> dict[str, list[str]]:
    """What the domain had against this request's form."""
    found: dict[str, list[str]] = getattr(request, _REFUSALS, {})
    return found


class PageOfModel(ModelAdmin):
    """Behind the gate; what the domain refuses is said, and changes nothing."""

    list_per_page = 50
    #: Field beside which a refusal stands that names none.
    refused_at = ""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With what each row's mark needs to know of the server."""
        on = Stack.objects.filter(pk=1, enabled=True)
        rows = super().get_queryset(request)
        return cast("QuerySet[Any]", rows.annotate(server_is_on=Exists(on)))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list; an action that is refused leaves everything as it was."""

        def view() -> HttpResponse:
            return super(PageOfModel, self).changelist_view(request, extra_context)

        return gate.locked(request) or self._told(request, view, request.get_full_path())

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """The form; it is shown again with the domain's objections in it."""
        if wall := gate.locked(request):
            return wall
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except InvalidFields as exc:
            setattr(request, _REFUSALS, exc.fields)
        except QuazzarError as exc:
            setattr(request, _REFUSALS, {self.refused_at: [f"{exc.message} {exc.hint}".strip()]})
        return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Asks, then deletes."""

        def view() -> HttpResponse:
            return super(PageOfModel, self).delete_view(request, object_id, extra_context)

        return gate.locked(request) or self._told(request, view, "../change/")

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Django's own page; behind the gate like the others."""
        return gate.locked(request) or super().history_view(request, object_id, extra_context)

    def _told(self, request: HttpRequest, view: Callable[[], HttpResponse], back: str) -> HttpResponse:
        try:
            answer = view()
        except QuazzarError as exc:
            self.message_user(request, f"{exc.message} {exc.hint}".strip(), messages.ERROR)
            return redirect(back)
        return answer

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[Any]:
        """The form, told what the domain had against it the first time."""
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"refused": refusals(request)})

    def log_deletions(self, request: HttpRequest, queryset: Any) -> list[Any]:
        """The audit log says enough."""
        return []

    @admin.display(description="State")
    def mark(self, row: Any) -> str:
        """Whether the running stack has it."""
        return states.of_row(row, enabled=row.server_is_on)

    @admin.display(description="Created", ordering="created_at")
    def created(self, row: Any) -> str:
        """When it was added."""
        return shown.moment(row.created_at)


class ReadOnly(PageOfModel):
    """A page that only shows."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False


class Arrival(admin.SimpleListFilter):
    """Rows that the running stack has as they are, and those it has not."""

    title = "state"
    parameter_name = "live"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Two choices."""
        return [("no", "On its way"), ("yes", "Live")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those that are asked for."""
        if self.value() in ("yes", "no"):
            return queryset.filter(applied_at__isnull=self.value() == "no")
        return queryset


class Deletion(admin.SimpleListFilter):
    """Deleted mailboxes are out of sight unless they are asked for."""

    title = "deleted"
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Two choices; without either: those that are not."""
        return [("yes", "Deleted"), ("all", "With deleted ones")]

    def choices(self, changelist: Any) -> Any:
        """Django's "All" means: not deleted."""
        first, *rest = super().choices(changelist)
        return [{**first, "display": "Not deleted"}, *rest]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Those that are asked for."""
        if self.value() == "all":
            return queryset
        return queryset.filter(deleted_at__isnull=self.value() != "yes")
