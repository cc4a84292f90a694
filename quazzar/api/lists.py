"""Lists: pages, filters, search and order. A value that is not valid is a 400, never an unfiltered list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.db import models
from django_filters import ChoiceFilter, Filter, rest_framework  # type: ignore[import-untyped]
from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ValidationError
from rest_framework.filters import OrderingFilter, SearchFilter
from rest_framework.pagination import PageNumberPagination

from quazzar.api.fields import LARGEST_ID

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request
    from rest_framework.views import APIView

_MOST_WORDS = 20
_YES_NO = {"true": True, "1": True, "false": False, "0": False}


class PageNumbers(PageNumberPagination):
    """``?page=`` and ``?page_size=``: 50 rows, at most 500."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 500
    invalid_page_message = "This page does not exist."
    #: Names of other parameters that say where in a list the page is.
    more_query_names: ClassVar[tuple[str, ...]] = ()

    def get_page_size(self, request: Request) -> int:
        """How many rows a page has.

        Raises:
            ValidationError: it is no number of rows that a page can have.
        """
        asked = request.query_params.get(self.page_size_query_param, "")
        if not asked:
            return self.page_size
        digits = asked.lstrip("0")
        if not (digits.isascii() and digits.isdecimal()):
            raise ValidationError(
                {self.page_size_query_param: [f"This must be a whole number from 1 to {self.max_page_size}."]}
            )
        return min(int(digits[:9]), self.max_page_size)  # int() refuses thousands of digits

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """As OpenAPI 3.1 says "or null"; DRF's ``nullable`` is 3.0's word, and means nothing there."""
        link = {"type": ["string", "null"], "format": "uri"}
        properties = {"count": {"type": "integer"}, "next": link, "previous": link}
        properties["results"] = schema
        return {"type": "object", "required": list(properties), "properties": properties}


@extend_schema_field({"type": "boolean"})
class BooleanChoiceFilter(ChoiceFilter):  # type: ignore[misc]  # untyped
    """``true`` or ``false``; django-filter's own takes any other word for no filter."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("choices", [(word, word) for word in _YES_NO])
        super().__init__(*args, **kwargs)

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        """The rows that have the value."""
        return super().filter(qs, _YES_NO.get(value, value))  # type: ignore[no-any-return]


@extend_schema_field({"type": "integer", "minimum": 1})
class IdFilter(Filter):  # type: ignore[misc]  # untyped
    """Rows that belong to the row with this id; none, if there is no such row."""

    field_class = forms.IntegerField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=LARGEST_ID, **kwargs)


class StrictFilterSet(rest_framework.FilterSet):  # type: ignore[misc]  # untyped
    """A FilterSet whose boolean fields are strict."""

    FILTER_DEFAULTS: ClassVar[dict[Any, Any]] = {
        **rest_framework.FilterSet.FILTER_DEFAULTS,
        models.BooleanField: {"filter_class": BooleanChoiceFilter},
    }


class StrictFilterBackend(rest_framework.DjangoFilterBackend):  # type: ignore[misc]  # untyped
    """Filters by a view's ``filterset_fields`` or ``filterset_class``."""

    filterset_base = StrictFilterSet
    raise_exception = True

    def query_names(self, view: Any) -> list[str]:
        """Names of the query parameters that the view's filters read."""
        filterset = self.get_filterset_class(view, view.get_queryset())
        return [*filterset.base_filters] if filterset else []

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        """The rows that are asked for.

        Raises:
            ValidationError: a value cannot be.
        """
        if not request.query_params:  # spares a plain list the form, an eighth of the time that it takes
            return queryset
        try:
            return super().filter_queryset(request, queryset, view)  # type: ignore[no-any-return]
        except OverflowError as exc:  # SQLite's integers end at 64 bits
            raise ValidationError({"non_field_errors": ["A number in a filter is too large."]}) from exc


class BoundedSearchFilter(SearchFilter):
    """``?search=`` for a few words: SQLite refuses an expression that is a thousand deep."""

    def query_names(self, view: Any) -> list[str]:
        """``search``, where the list can be searched."""
        return [self.search_param] if getattr(view, "search_fields", None) else []

    def get_search_terms(self, request: Request) -> list[str]:
        """The words.

        Raises:
            ValidationError: there are too many, or one holds NUL.
        """
        try:
            terms: list[str] = super().get_search_terms(request)
        except ValidationError as exc:
            raise ValidationError({self.search_param: exc.detail}) from exc
        if len(terms) > _MOST_WORDS:
            raise ValidationError({self.search_param: [f"Search for at most {_MOST_WORDS} words."]})
        return terms


class StrictOrderingFilter(OrderingFilter):
    """``?ordering=`` by a view's ``ordering_fields`` only; equal rows always have the same order.

    A view's ``ordering_same`` maps a field to one that has the same order and, unlike it, an index.
    """

    def query_names(self, view: Any) -> list[str]:
        """``ordering``, always: ``get_ordering`` refuses it with a sentence if the list has no order to offer."""
        return [self.ordering_param]

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: APIView) -> list[str] | None:
        """The columns to sort by.

        Raises:
            ValidationError: the list cannot be sorted so.
        """
        asked = [term.strip() for term in request.query_params.get(self.ordering_param, "").split(",")]
        asked = [term for term in asked if term]
        if not asked:
            return self._defaults(view)
        columns = [name for name, _ in self.get_valid_fields(queryset, view, {"request": request})]
        if any(term.removeprefix("-") not in columns for term in asked):
            choices = ", ".join(columns) or "nothing"
            raise ValidationError({self.ordering_param: [f"You can order this list by {choices}."]})
        same = getattr(view, "ordering_same", {})
        return _settled(
            [
                term[: -len(name)] + same.get(name, name)
                for term in asked
                for name in (term.removeprefix("-"),)
            ]
        )

    def get_valid_fields(self, queryset: Any, view: Any, context: Any = None) -> list[tuple[str, str]]:
        """What the view declares, and nothing when it declares nothing."""
        if not getattr(view, "ordering_fields", None):
            return []
        return super().get_valid_fields(queryset, view, context or {})

    def _defaults(self, view: Any) -> list[str] | None:
        default = self.get_default_ordering(view)
        return None if default is None else _settled(list(default))


def _settled(terms: list[str]) -> list[str]:
    # Otherwise, rows that are equal in these columns could move between pages.
    return [*terms, "-pk" if terms[-1].startswith("-") else "pk"]
