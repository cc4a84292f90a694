"""Pages of the audit log: filtered, searched, the newest entries first. None of this gets slower as the log grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Q

from quazzar.models import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from django.db.models import QuerySet

PAGE_SIZE = 50
#: The most entries that one page searches; then it says how far back it got.
SEARCHED = 20_000
_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are wanted; empty values do not filter.

    Attributes:
        who: an actor as it is stored, such as ``user:anna``.
        what: an action, such as ``relay.changed``, or the first word of several, such as ``relay``.
        address: the client's address, whole.
        since: the first moment that counts.
        until: the first moment that does not count any more.
        search: a part of actor, action, target or address.
    """

    who: str = ""
    what: str = ""
    address: str = ""
    since: datetime | None = None
    until: datetime | None = None
    search: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, the newest first.

    Attributes:
        older: the id to ask for entries before it; None if there are none.
        newer: the id to ask for entries after it; None on the first page.
        searched_to: how far back was searched, if older entries may match too and were not searched.
    """

    entries: list[AuditEntry]
    older: int | None = None
    newer: int | None = None
    searched_to: datetime | None = None


def page(
    wanted: Filter, *, before: int | None = None, after: int | None = None, size: int = PAGE_SIZE
) -> Page:
    """The newest entries before (older than) an entry, or the oldest ones after it, newest first.

    An unknown id counts as not given.
    """
    if after is not None and (mark := _mark(after)):
        following = _narrowed(_indexed(wanted), wanted).filter(_after(mark)).order_by("at", "id")
        found = list(following[: size + 1])
        if len(found) > size:
            entries = found[:size][::-1]
            return Page(entries, older=entries[-1].pk, newer=entries[0].pk)
    mark = _mark(before) if before is not None else None
    rows = _indexed(wanted).filter(_before(mark)) if mark else _indexed(wanted)
    bound: tuple[datetime, int] | None = None
    if _is_scanned(wanted):
        edge = list(rows.values_list("at", "id")[SEARCHED - 1 : SEARCHED + 1])
        if len(edge) == 2:
            bound = edge[0]
            rows = rows.filter(_from(bound))
    found = list(_narrowed(rows, wanted)[: size + 1])
    entries = found[:size]
    newer = entries[0].pk if mark and entries else None
    if len(found) > size:
        return Page(entries, older=entries[-1].pk, newer=newer)
    if bound is not None:
        return Page(entries, older=bound[1], newer=newer, searched_to=bound[0])
    return Page(entries, newer=newer)


def each(wanted: Filter) -> Iterator[AuditEntry]:
    """All matching entries, newest first, read in batches."""
    mark: tuple[datetime, int] | None = None
    while True:
        rows = _narrowed(_indexed(wanted), wanted)
        portion = list((rows.filter(_before(mark)) if mark else rows)[:_CHUNK])
        yield from portion
        if len(portion) < _CHUNK:
            return
        mark = (portion[-1].at, portion[-1].pk)


def _indexed(wanted: Filter) -> QuerySet[AuditEntry]:
    """The entries as far as indexes can filter them."""
    rows = AuditEntry.objects.order_by("-at", "-id")
    if wanted.who:
        rows = rows.filter(actor=wanted.who)
    if "." in wanted.what:
        rows = rows.filter(action=wanted.what)
    if wanted.address:
        rows = rows.filter(address=wanted.address)
    if wanted.since:
        rows = rows.filter(at__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(at__lt=wanted.until)
    return rows


def _narrowed(rows: QuerySet[AuditEntry], wanted: Filter) -> QuerySet[AuditEntry]:
    """The entries filtered further by reading each one."""
    if wanted.what and "." not in wanted.what:
        rows = rows.filter(action__startswith=f"{wanted.what}.")
    for word in wanted.search.split():
        rows = rows.filter(
            Q(target__icontains=word)
            | Q(actor__icontains=word)
            | Q(action__icontains=word)
            | Q(address__startswith=word)
        )
    return rows


def _is_scanned(wanted: Filter) -> bool:
    return bool(wanted.search) or (bool(wanted.what) and "." not in wanted.what)


def _mark(entry_id: int) -> tuple[datetime, int] | None:
    found: tuple[datetime, int] | None = (
        AuditEntry.objects.filter(pk=entry_id).values_list("at", "id").first()
    )
    return found


def _before(mark: tuple[datetime, int]) -> Q:
    at, pk = mark
    # The first condition alone lets the index begin there.
    return Q(at__lte=at) & (Q(at__lt=at) | Q(id__lt=pk))


def _after(mark: tuple[datetime, int]) -> Q:
    at, pk = mark
    return Q(at__gte=at) & (Q(at__gt=at) | Q(id__gt=pk))


def _from(mark: tuple[datetime, int]) -> Q:
    at, pk = mark
    return Q(at__gte=at) & (Q(at__gt=at) | Q(id__gte=pk))
