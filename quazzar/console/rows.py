"""Models' pages in the console: behind the gate, or read-only rows that are changed on another page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.filters import AllValuesFieldListFilter
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import SuspiciousOperation
from django.db import DataError, models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from quazzar.console import gate, shown
from quazzar.console.pages import may_open
from quazzar.console.unfolded import ModelAdmin
from quazzar.rights import Right
from quazzar.sealing.fields import SealedField

_SEALED = {
    "none": "none",
    "saved": "saved, sealed",
    "unreadable": "unreadable: its key is no longer in the key file",
}
_ABBREVIATIONS = re.compile(r"\b(id|uid|dns|dkim|mta|sts|tls|http|totp|url)\b", re.IGNORECASE)


class RightfulAdmin(ModelAdmin):
    """The pages of a model, for operators with the rights that it declares."""

    #: What the rows are, in a sentence for the list of all tables.
    about: ClassVar[str] = ""
    #: The right to see the rows. Django's own permission to view the model is enough as well.
    see: ClassVar[Right]
    #: The rights to add, change and delete rows; None: nobody does that here.
    add: ClassVar[Right | None] = None
    change: ClassVar[Right | None] = None
    delete: ClassVar[Right | None] = None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user may see the rows."""
        return self.see(request.user) or super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user may add rows."""
        return _has(self.add, request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user may change rows."""
        return _has(self.change, request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the user may delete rows."""
        return _has(self.delete, request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the user may see the model; Django would require a permission of the model's own app."""
        return self.has_view_permission(request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Return the list, for those with the right to see it."""
        with _possible(request), gate.naming(self.see):
            return super().changelist_view(request, extra_context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """One row, or the form for a new one."""
        with _possible(request), gate.naming(self.see if object_id else self.add):
            return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Ask before deleting a row, and then delete it."""
        with gate.naming(self.delete):
            return super().delete_view(request, object_id, extra_context)


@contextmanager
def _possible(request: HttpRequest) -> Iterator[None]:
    """Make a bad request of an id, a number or a time that no row can have, on which Django's pages fail.

    Raises:
        SuspiciousOperation: the request has one.
    """
    if not all(one.isdecimal() for one in request.POST.getlist(ACTION_CHECKBOX_NAME)):
        raise SuspiciousOperation
    try:
        yield
    except (OverflowError, DataError) as exc:  # SQLite's driver, PostgreSQL
        raise SuspiciousOperation from exc


def _has(right: Right | None, request: HttpRequest) -> bool:
    return right is not None and right(request.user)


class GatedAdmin(RightfulAdmin):
    """The pages of a model of Mail Relay, replaced by the lock card if the plan is too low."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Return the list, or the lock card."""
        return gate.locked(request) or super().changelist_view(request, extra_context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """One row, or the form for a new one."""
        return gate.locked(request) or super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Ask before deleting a row, or return the lock card."""
        return gate.locked(request) or super().delete_view(request, object_id, extra_context)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Return Django's page of changes to a row, or the lock card."""
        return gate.locked(request) or super().history_view(request, object_id, extra_context)


class SpokenFilter(AllValuesFieldListFilter):
    """The values that a column has, in the words of the list."""

    def __init__(self, field: Any, *known: Any, **path: Any) -> None:
        super().__init__(field, *known, **path)
        self._say = known[-1].spoken[field.name]  # Django names the model's admin last

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Yield all, and then each value."""
        every, *values = super().choices(changelist)
        yield every
        for choice in values:
            yield {**choice, "display": self._say(str(choice["display"]))}


class ReadOnlyAdmin(RightfulAdmin):
    """Read-only rows with every column except secrets. If they are changed elsewhere, a link leads there."""

    actions = None
    list_per_page = 50
    empty_value_display = shown.NOTHING
    list_before_template = change_form_before_template = "quazzar/_own_page.html"
    #: What the page is called where these rows are changed, and its route; empty: there is none.
    own_page: ClassVar[str] = ""
    own_route: ClassVar[str] = ""
    #: Column → what it is called, where its own name says too little.
    labels: ClassVar[Mapping[str, str]] = {}
    #: Column → its value in words, where a key is stored.
    spoken: ClassVar[Mapping[str, Callable[[Any], str]]] = {}
    #: Columns that are not shown. Sealed ones need not be named: of them only their state is shown.
    hidden: ClassVar[tuple[str, ...]] = ()

    # --- the page where they are changed

    def title_of(self, row: Any) -> str:
        """The heading of a row's page."""
        return shown.heading(row)

    def own_url(self, row: Any = None) -> str:
        """The address of the page where this row, or any, is changed; empty when there is none."""
        return reverse(self.own_route) if self.own_route else ""

    def _own(self, request: HttpRequest, url: str) -> dict[str, str]:
        """The name and the address of that page, if the operator may open it."""
        return {"own_page": self.own_page, "own_url": url if may_open(request.user, url) else ""}

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Return the list, with a link to the page where its rows are changed."""
        own = self._own(request, self.own_url())
        return super().changelist_view(request, {**own, **(extra_context or {})})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """One row; the address that once added one leads to the page of their own."""
        if object_id is None and request.method == "GET" and self.own_route:
            return redirect(self.own_url())
        row = self.get_object(request, object_id) if object_id else None
        own = self._own(request, self.own_url(row) if row else "")
        if row:
            own["row_title"] = self.title_of(row)
        return super().changeform_view(request, object_id, form_url, {**own, **(extra_context or {})})

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """The address that once deleted a row leads to the page of their own."""
        row = self.get_object(request, object_id)
        if row and request.method == "GET" and self.own_route:
            return redirect(self.own_url(row))
        return super().delete_view(request, object_id, extra_context)

    # --- columns

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows without sealed columns, which are loaded only to show their state."""
        sealed = [field.name for field in self.opts.fields if isinstance(field, SealedField)]
        return super().get_queryset(request).defer(*sealed, *self.hidden)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """The columns of the list; times and what is stored as a key as on the page of a row."""
        ours = {
            field.name: field
            for field in self.opts.fields
            if isinstance(field, models.DateField) or field.name in self.spoken or field.name in self.labels
        }
        shown_in_list = super().get_list_display(request)
        return [self._column(ours[str(name)]) if name in ours else name for name in shown_in_list]

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """The filters of the list; of what is stored as a key, by its words."""
        return [
            (name, SpokenFilter) if name in self.spoken else name for name in super().get_list_filter(request)
        ]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list; its filters are called as its columns."""
        changelist = super().get_changelist_instance(request)
        for each in changelist.filter_specs:
            each.title = self.labels.get(getattr(each, "field_path", ""), each.title)
        return changelist

    def _column(self, field: models.Field[Any, Any]) -> Callable[[models.Model], Any]:
        return column(field, self.labels.get(field.name, ""), self.spoken.get(field.name))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Every column but the hidden ones, each as text; those of abstract models last, because they say least."""
        abstract = [base for base in self.model.__mro__[1:] if issubclass(base, models.Model)]
        shared = {field.name for base in abstract if base is not models.Model for field in base._meta.fields}
        fields = sorted(self.opts.fields, key=lambda field: field.name in shared)
        return [self._column(field) for field in fields if field.name not in (*self.hidden, "id")]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return every field, since nothing is changed here."""
        return self.get_fields(request, obj)


def column(
    field: models.Field[Any, Any], name: str = "", say: Callable[[Any], str] | None = None
) -> Callable[[models.Model], Any]:
    """A read-only column of the admin that shows a field.

    Args:
        name: what it is called; empty: as the field.
        say: its value in words.
    """

    @admin.display(description=name or label(field))
    def value(row: models.Model) -> Any:
        if say is not None:
            said = say(getattr(row, field.name)) or shown.NOTHING
            # On phones a cell is a flex container, in which each piece of a sentence would be a column of its own.
            return format_html("<span>{}</span>", said) if isinstance(said, SafeString) else said
        return as_text(field, row)

    value.__name__ = field.name
    value.admin_order_field = field.name  # type: ignore[attr-defined]
    return value


def label(field: models.Field[Any, Any]) -> str:
    """The field's name in words: ``DKIM selector``."""
    if field.verbose_name == "at":
        return "When"
    words = str(field.verbose_name).replace(" mb", " (MiB)").replace("login", "sign-in")
    return _ABBREVIATIONS.sub(lambda match: match[0].upper(), words[:1].upper() + words[1:])


def as_text(field: models.Field[Any, Any], row: models.Model) -> str | SafeString:
    """What a row has in a field; of something sealed only whether it is there and can be opened."""
    value = getattr(row, field.name)
    if isinstance(field, SealedField):
        return _SEALED["none" if value is None else "saved" if value.readable else "unreadable"]
    if value is None or value in ("", [], {}):
        return shown.NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return format_html("{} <span class='q-muted'>{}</span>", shown.moment(value), shown.distance(value))
    if isinstance(value, date):
        return shown.calendar_day(value)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return format_html('<span class="q-lines">{}</span>', "\n".join(value))
    if isinstance(value, dict | list):
        text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
        return format_html('<pre class="q-json" tabindex="0">{}</pre>', text)
    if isinstance(value, str) and "\n" in value:
        return format_html('<pre class="q-json" tabindex="0">{}</pre>', value)
    if field.choices:
        return str(dict(field.flatchoices).get(value, value))
    return str(value)
