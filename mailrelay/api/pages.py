"""Pages of a list of a million messages, without counting or skipping them one by one."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from django.core.paginator import Page, Paginator

from mailrelay.models import Message
from mailrelay.queue import counts
from quazzar.api.lists import PageNumbers

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request

#: Up to so many messages, counting and skipping them is fast enough.
_FEW = 100_000
#: Parameters that leave the order as it is, and the number known.
_PLAIN = frozenset({"page", "page_size", "status"})


class MessagePages(PageNumbers):
    """Numbers of pages, as in every list."""

    def paginate_queryset(
        self, queryset: QuerySet[Any], request: Request, view: Any = None
    ) -> list[Any] | None:
        """The rows of the page that is asked for."""
        if _PLAIN.issuperset(request.query_params):
            status = request.query_params.get("status", "")
            self.django_paginator_class = partial(_History, status=status)  # type: ignore[assignment]
        return super().paginate_queryset(queryset, request, view)


class _History(Paginator):  # type: ignore[type-arg]  # Django's is not generic at run time
    """Takes the number from the counts that the queue keeps, and cuts pages by id where no id is missing."""

    def __init__(self, rows: QuerySet[Message], per_page: int, *, status: str) -> None:
        super().__init__(rows, per_page)
        self._rows, self._status = rows, status

    @cached_property
    def count(self) -> int:
        """How many messages the list has."""
        few = self._rows.order_by()[: _FEW + 1].count()
        return few if few <= _FEW else max(few, counts.exactly(self._status))

    def page(self, number: int | str) -> Page[Any]:
        """The page with this number.

        Raises:
            InvalidPage: there is no such page.
        """
        number = self.validate_number(number)
        if self._status or self.count <= _FEW:
            return super().page(number)
        newest, oldest = (
            Message.objects.order_by(order).values_list("pk", flat=True).first() or 0
            for order in ("-pk", "pk")
        )
        if newest - oldest + 1 != self.count:
            return super().page(number)
        top = newest - (number - 1) * self.per_page
        return Page(self._rows.filter(pk__lte=top, pk__gt=top - self.per_page), number, self)
