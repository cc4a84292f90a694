"""Finds messages for a list, the newest first, as fast among millions as among ten: for the console and the API.

A page is cut by id (keyset), never by OFFSET, and nothing is counted to the end. An index knows addresses and
Message-IDs. Words, and sources without an index, are looked for row by row from the newest message on, for a fraction
of a second: the page then says how far the search got, and where to go on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q, QuerySet

from mailrelay.mail import addresses
from mailrelay.models import Feedback, Message, MessageAddress

Status, Source = Message.Status, Message.Source
#: Statuses of what has not left yet.
WAITING = (Status.QUEUED, Status.SENDING, Status.RETRYING)
#: How many messages a page has.
PAGE = 50
#: How many ids the first query of a search by words covers, and for how many seconds further queries follow; when the
#: page is full, only to count the rest.
WINDOW = 10_000
SECONDS = 0.2
COUNTING = 0.05
#: A query that took less time is followed by one that covers twice as many ids: nearly all are of other messages.
_QUICK = 0.01
#: Sources whose messages an index lists.
INDEXED = (Source.ALERT, Source.BACKUP, Source.TEST)
#: How many messages to an address are looked through for those with the wanted status.
CANDIDATES = 5_000
#: The most messages that are counted: beyond it a number tells nobody more.
MOST_COUNTED = 1_000
LONGEST = 200
#: The fewest letters that are looked for inside Message-IDs.
_PART_OF_AN_ID = 8


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for.

    Attributes:
        statuses: none: any.
        source: empty: any.
        returned: only what bounced, or was complained about.
        text: an address, a Message-ID, or words that the message must all have.
        terms: the same, already split: a term may have spaces.
    """

    statuses: tuple[str, ...] = ()
    source: str = ""
    text: str = ""
    returned: bool = False
    terms: tuple[str, ...] = ()

    @property
    def wanted(self) -> tuple[str, ...]:
        """What to look for."""
        return self.terms or tuple(self.text.strip()[:LONGEST].split())

    @property
    def is_read(self) -> bool:
        """Whether messages have to be read one by one, because no index knows which are meant."""
        return bool(self.wanted or (self.source and self.source not in INDEXED))


@dataclass(slots=True)
class Page:
    """Messages, the newest first, without bodies and histories.

    Attributes:
        older: below which id to go on; None: these are the oldest.
        newer: above which id the page before begins; None: these are the newest.
        searched_to: how far back the search got, if it did not get to the oldest message.
    """

    rows: list[Message] = field(default_factory=list)
    older: int | None = None
    newer: int | None = None
    searched_to: datetime | None = None


@dataclass(slots=True)
class Found:
    """Ids of messages, the newest first.

    Attributes:
        reached: the id below which nothing has been looked for yet; None: these are all.
    """

    ids: list[int]
    reached: int | None = None


def find(query: Query, *, before: int | None = None, after: int | None = None) -> Page:
    """The page of the newest messages; of those with a smaller id than ``before``, or with a larger one than ``after``.

    A search ignores ``after``.
    """
    if not query.is_read:
        return _listed(query, before, after)
    found = matching(query, PAGE, before=before)
    if len(found.ids) > PAGE:
        return Page(_rows(found.ids[:PAGE]), older=found.ids[PAGE - 1])
    at = None if found.reached is None else _age(found.reached)
    return Page(_rows(found.ids), older=found.reached, searched_to=at)


def matching(query: Query, size: int, *, before: int | None = None, most: int = 0) -> Found:
    """The ids of more messages than ``size``, if there are more and the time allows.

    Args:
        before: only messages with a smaller id.
        most: how many to count, if that takes little time.
    """
    until = time.monotonic() + SECONDS
    counted = until - SECONDS + COUNTING
    most = max(size + 1, most)
    found: list[int] = []
    for ids, reached in _portions(query, before, most):
        found += ids
        now = time.monotonic()
        is_full = len(found) > size
        if reached is None or len(found) >= most or now > until or (is_full and now > counted):
            return Found(found, reached)
    return Found(found)


def count(query: Query) -> int:
    """How many there are, as far as ``MOST_COUNTED``; words are not looked for."""
    return len(_ids(query, None, None, MOST_COUNTED))


def ids(query: Query, most: int) -> list[int]:
    """The ids of the newest messages, at most so many; words are not looked for."""
    return _ids(query, None, None, most)


def _rows(found: Sequence[int]) -> list[Message]:
    rows = Message.objects.defer("body", "history").in_bulk(found)
    return [rows[pk] for pk in found if pk in rows]


# --- without a text


def _listed(query: Query, before: int | None, after: int | None) -> Page:
    found = _ids(query, before, after, PAGE + 1)
    more = len(found) > PAGE
    if after is not None:
        found = found[-PAGE:]
        if not more:  # fewer than a page are newer: show the newest page whole
            return _listed(query, None, None)
        return Page(_rows(found), older=found[-1], newer=found[0])
    found = found[:PAGE]
    newer = found[0] if before is not None and found else None
    return Page(_rows(found), older=found[-1] if more else None, newer=newer)


def _ids(query: Query, before: int | None, after: int | None, most: int) -> list[int]:
    """Ids, the largest first; with ``after`` those next to it."""
    found: list[int] = []
    if query.returned:
        return _returned(before, after, most)
    # One query for each status: with all in one, a database reads its way through the messages of other statuses.
    for status in query.statuses or ("",):
        rows = _filtered(query, (status,) if status else ())
        if after is not None:
            found += rows.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:most]
        else:
            rows = rows if before is None else rows.filter(pk__lt=before)
            found += rows.order_by("-pk").values_list("pk", flat=True)[:most]
    if after is not None:
        return sorted(sorted(found)[:most], reverse=True)
    return sorted(found, reverse=True)[:most]


def _returned(before: int | None, after: int | None, most: int) -> list[int]:
    """Ids of messages that bounced or were complained about, read from the index of these reports."""
    bad = Feedback.objects.filter(kind__in=Feedback.BAD).order_by()
    if after is not None:
        newer = (
            bad.filter(message__gt=after)
            .order_by("message_id")
            .values_list("message_id", flat=True)
            .distinct()
        )
        return sorted(newer[:most], reverse=True)
    bad = bad if before is None else bad.filter(message__lt=before)
    return list(bad.order_by("-message_id").values_list("message_id", flat=True).distinct()[:most])


def _filtered(query: Query, statuses: Iterable[str]) -> QuerySet[Message]:
    rows = Message.objects.all()
    if query.returned:
        bad = Feedback.objects.filter(kind__in=Feedback.BAD).order_by()
        rows = rows.filter(pk__in=bad.values("message"))
    wanted = list(statuses)
    if len(wanted) == 1:
        rows = rows.filter(status=wanted[0])
    elif wanted:
        rows = rows.filter(status__in=wanted)
    return rows.filter(source=query.source) if query.source else rows


# --- by address or Message-ID


def _lookup(terms: Sequence[str]) -> str | list[int] | None:
    """What an index knows of the text: the address that messages went to, or the messages with this Message-ID; None
    if it knows nothing."""
    text = terms[0] if len(terms) == 1 else ""
    if "@" not in text or " " in text:
        return None
    core = text.removeprefix("<").removesuffix(">")
    address = core.lower()
    with suppress(ValueError):  # then it is a Message-ID
        address = addresses.normalise(core).lower()
    if _to(address, None, 1):
        return address
    same = Message.objects.filter(message_id__in=(text, f"<{core}>")).order_by("-pk")
    return list(same.values_list("pk", flat=True)[:PAGE]) or None


def _to(address: str, before: int | None, most: int) -> list[int]:
    """The ids of messages to an address, the largest first."""
    alone = Message.objects.filter(only_recipient=address).order_by("-pk")
    among = MessageAddress.objects.filter(address=address).order_by("-message_id")
    if before is not None:
        alone, among = alone.filter(pk__lt=before), among.filter(message_id__lt=before)
    found = [
        *alone.values_list("pk", flat=True)[:most],
        *among.values_list("message_id", flat=True)[:most],
    ]
    return sorted(found, reverse=True)[:most]


# --- one after the other


def _portions(query: Query, before: int | None, most: int) -> Iterator[tuple[list[int], int | None]]:
    """Ids of matching messages, the newest first, each portion with the id below which to go on; None: that is all."""
    lookup = _lookup(query.wanted)
    if isinstance(lookup, list):
        yield _narrowed(query, [pk for pk in lookup if before is None or pk < before]), None
    elif lookup is not None:
        yield from _to_address(query, lookup, before, most)
    elif query.is_read:
        yield from _read(query, before)
    else:
        ids = _ids(query, before, None, most)
        yield ids, ids[-1] if len(ids) == most else None


def _narrowed(query: Query, candidates: Sequence[int]) -> list[int]:
    if not (query.statuses or query.source or query.returned):
        return list(candidates)
    matching = _filtered(query, query.statuses).filter(pk__in=candidates)
    return list(matching.order_by("-pk").values_list("pk", flat=True))


def _to_address(
    query: Query, address: str, before: int | None, most: int
) -> Iterator[tuple[list[int], int | None]]:
    is_narrowed = query.statuses or query.source or query.returned
    limit = CANDIDATES if is_narrowed else most
    while True:
        candidates = _to(address, before, limit)
        before = candidates[-1] if len(candidates) == limit else None
        yield _narrowed(query, candidates), before
        if before is None:
            return


def _read(query: Query, before: int | None) -> Iterator[tuple[list[int], int | None]]:
    newest = Message.objects.order_by("-pk").values_list("pk", flat=True).first()
    oldest = Message.objects.order_by("pk").values_list("pk", flat=True).first()
    if newest is None or oldest is None:
        return
    top, width = newest + 1 if before is None else before, WINDOW
    while top > oldest:
        floor = max(top - width, oldest)
        begun = time.monotonic()
        rows = _filtered(query, query.statuses).filter(pk__lt=top, pk__gte=floor)
        for word in query.wanted:
            rows = rows.filter(_has(word, floor, top))
        yield list(rows.order_by("-pk").values_list("pk", flat=True)), floor if floor > oldest else None
        width = width * 2 if time.monotonic() - begun < _QUICK else WINDOW
        top = floor


def _has(word: str, floor: int, top: int) -> Q:
    to = MessageAddress.objects.filter(
        message_id__gte=floor, message_id__lt=top, address__contains=word.lower()
    )
    found = Q(subject__icontains=word) | Q(to__icontains=word)
    found |= Q(only_recipient__contains=word.lower()) | Q(pk__in=to.values("message_id"))
    # A short word is in many an id by chance: there is a 42 in most UUIDs.
    return found | Q(message_id__icontains=word) if len(word) >= _PART_OF_AN_ID else found


def _age(pk: int) -> datetime | None:
    return Message.objects.filter(pk__gte=pk).order_by("pk").values_list("created_at", flat=True).first()
