"""Pages of a list of millions of messages, without counting, sorting or skipping them one by one."""

from __future__ import annotations

import sys
from functools import cached_property, partial
from math import ceil
from typing import TYPE_CHECKING, Any

from django.core.paginator import EmptyPage, Page, Paginator
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.utils.urls import remove_query_param, replace_query_param

from mailrelay.models import Message
from mailrelay.queue import counts, finding
from quazzar.api.fields import LARGEST_ID
from quazzar.api.lists import BoundedSearchFilter, PageNumbers

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request

#: Up to so many messages, counting, sorting and skipping them is fast enough.
_FEW = 100_000
#: The parameter that says where a long list goes on.
BEFORE = "before"
#: Orders that an index gives to a list of any length.
_INDEXED = ("id", "status")


class MessagePages(PageNumbers):
    """Numbers of pages, as in every list; where a list is long, ``next`` says below which id to go on."""

    more_query_names = (BEFORE,)

    def paginate_queryset(
        self, queryset: QuerySet[Any], request: Request, view: Any = None
    ) -> list[Any] | None:
        """The rows of the page that is asked for."""
        status, source = (request.query_params.get(name, "") for name in ("status", "source"))
        query = finding.Query(
            (status,) if status else (),
            source=source,
            terms=tuple(BoundedSearchFilter().get_search_terms(request)),
        )
        before, order = _before(request), _order(queryset)
        if query.wanted or source or before is not None:
            if order == "-id":
                found = self._matching(query, before, request)
            else:
                found = _sorted(finding.matching(query, _FEW, before=before), queryset)
            total = None if query.wanted or source else counts.known(status)[0]
            queryset = view.get_queryset()  # without the filters, which the search has
            self.django_paginator_class = partial(_Matching, found=found, total=total)  # type: ignore[assignment]
        else:
            self.django_paginator_class = partial(_History, status=status, order=order)  # type: ignore[assignment]
        return super().paginate_queryset(queryset, request, view)

    def _matching(self, query: finding.Query, before: int | None, request: Request) -> finding.Found:
        asked = request.query_params.get(self.page_query_param, "1")
        number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 1
        size = min(number * (self.get_page_size(request) or self.page_size), _FEW)
        most = counts.COUNTED + 1 if query.wanted or query.source else 0
        return finding.matching(query, size, before=before, most=most)

    def get_next_link(self) -> str | None:
        """Where the list goes on."""
        older = getattr(self.page, "older", None)
        if older is None:
            return super().get_next_link()
        assert self.request is not None
        here = remove_query_param(self.request.build_absolute_uri(), self.page_query_param)
        return str(replace_query_param(here, BEFORE, older))

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """As every list, and where to go on."""
        told = "Only messages older than the one with this id. In a long list, `next` has it."
        schema = {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}
        mine = {"name": BEFORE, "required": False, "in": "query", "description": told, "schema": schema}
        return [*super().get_schema_operation_parameters(view), mine]


def _before(request: Request) -> int | None:
    if BEFORE not in request.query_params:
        return None
    field = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)
    try:
        return int(field.run_validation(request.query_params[BEFORE]))
    except ValidationError as exc:
        raise ValidationError({BEFORE: exc.detail}) from exc


def _order(rows: QuerySet[Message]) -> str:
    """The column that the list is sorted by first."""
    return str(next(iter(rows.query.order_by), "-id"))


def _sorted(found: finding.Found, rows: QuerySet[Message]) -> finding.Found:
    """What a search found, in another order.

    Raises:
        ValidationError: there is more than can be searched or sorted at once.
    """
    if found.reached is not None:
        raise _too_many("or search for an address or a Message-ID")
    ordered = Message.objects.filter(pk__in=found.ids).order_by(*rows.query.order_by)
    return finding.Found(list(ordered.values_list("pk", flat=True)))


def _too_many(remedy: str) -> ValidationError:
    told = f"There are too many messages to sort them like this. Order them by id, {remedy}."
    return ValidationError({"ordering": [told]})


class _Portion(Page):  # type: ignore[type-arg]  # Django's is not generic at run time
    """A page of a long list.

    Attributes:
        older: the id below which the list goes on.
    """

    def __init__(
        self, rows: Any, number: int, paginator: Paginator[Any], *, older: int | None = None
    ) -> None:
        super().__init__(rows, number, paginator)
        self.older = older


class _Matching(Paginator):  # type: ignore[type-arg]
    """What a search found, perhaps not to the end."""

    def __init__(
        self, rows: QuerySet[Message], per_page: int, *, found: finding.Found, total: int | None
    ) -> None:
        super().__init__(found.ids, per_page)
        self._rows, self._found, self._total = rows, found, total

    @cached_property
    def count(self) -> int:
        """How many messages the list has, or how many were found of it."""
        return len(self._found.ids) if self._total is None else self._total

    @cached_property
    def num_pages(self) -> int:
        """Nobody knows of how many pages a list is whose end was not reached."""
        if self._found.reached is not None:
            return sys.maxsize
        return ceil(max(1, len(self._found.ids)) / self.per_page)

    def page(self, number: int | str) -> Page[Any]:
        """The page with this number.

        Raises:
            InvalidPage: there is no such page.
        """
        number = self.validate_number(number)
        end = number * self.per_page
        ids = self._found.ids[end - self.per_page : end]
        rows = self._rows.in_bulk(ids)
        older = self._found.reached
        if older is not None and len(self._found.ids) > end:
            older = ids[-1]
        return _Portion([rows[pk] for pk in ids if pk in rows], number, self, older=older)


class _History(Paginator):  # type: ignore[type-arg]
    """Takes the number from the counts that the queue keeps, and cuts pages by id where no id is missing."""

    def __init__(self, rows: QuerySet[Message], per_page: int, *, status: str, order: str) -> None:
        super().__init__(rows, per_page)
        self._rows, self._status, self._order = rows, status, order

    @cached_property
    def count(self) -> int:
        """How many messages the list has."""
        few = self._rows.order_by()[: _FEW + 1].count()
        return few if few <= _FEW else max(few, self._known[0])

    @cached_property
    def _known(self) -> tuple[int, bool]:
        return counts.known(self._status)

    def validate_number(self, number: float | str) -> int:
        """The number of the page, which may be there: more may wait than when they were last counted.

        Raises:
            InvalidPage: there is no such page.
        """
        try:
            return super().validate_number(number)
        except EmptyPage:
            if not 1 <= int(number) <= LARGEST_ID // self.per_page or self.count <= _FEW or self._known[1]:
                raise
            return int(number)

    def page(self, number: int | str) -> Page[Any]:
        """The page with this number.

        Raises:
            InvalidPage: there is no such page.
            ValidationError: the list is too long to be sorted like this.
        """
        number = self.validate_number(number)
        if self.count <= _FEW:
            return super().page(number)
        column = self._order.removeprefix("-")
        if column not in _INDEXED:
            raise _too_many("or filter them by status")
        if column == "id" and not self._status and (cut := self._cut(number)) is not None:
            return Page(cut, number, self)
        rows = self._rows
        if column == "status":
            # The index has the newest first in each status.
            rows = rows.order_by(self._order, "-pk" if self._order == column else "pk")
        end = number * self.per_page
        # The ids alone: the database finds them in an index, and reads no message that it only skips.
        ids = list(rows.values_list("pk", flat=True)[end - self.per_page : end + 1])
        if not ids:
            raise EmptyPage
        is_last = len(ids) <= self.per_page
        ids = ids[: self.per_page]
        older = ids[-1] if self._order == "-id" and not is_last else None
        return _Portion(list(rows.filter(pk__in=ids)), number, self, older=older)

    def _cut(self, number: int) -> QuerySet[Message] | None:
        """The page by its ids; None if some are missing, or if nobody knows."""
        number_of_all, is_exact = counts.known()
        newest, oldest = (
            Message.objects.order_by(order).values_list("pk", flat=True).first() or 0
            for order in ("-pk", "pk")
        )
        if not is_exact or newest - oldest + 1 != number_of_all:
            return None
        skipped = (number - 1) * self.per_page
        if self._order == "id":
            return self._rows.filter(pk__gte=oldest + skipped, pk__lt=oldest + skipped + self.per_page)
        return self._rows.filter(pk__lte=newest - skipped, pk__gt=newest - skipped - self.per_page)
