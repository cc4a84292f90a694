"""Stores events as journeys, in batches: each batch and how far the logs were read in one transaction."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import F

from mailboxes.maillog import joining, telling
from mailboxes.maillog.daemons.event import CONNECTIONS, Event, Kind
from mailboxes.maillog.joining import Draft
from mailboxes.models import Journey, JourneyKey, MailEvent

#: Keys of journeys that are kept in memory; the rows know all others.
_MOST_KEPT: Final = 6000
_PORTION = 400
#: Columns of a journey that change.
_CHANGING = [field.name for field in Journey._meta.concrete_fields if not field.primary_key]
#: Postfix tries no longer.
_ENDS = frozenset({Kind.BOUNCED, Kind.EXPIRED})
#: A client that hangs up after it was turned away is no news.
_TOLD = frozenset({Kind.REFUSED, Kind.PUT_OFF, Kind.SIGN_IN_FAILED, Kind.MISUSED, Kind.NO_TLS, Kind.ACCEPTED})
_SESSION = timedelta(minutes=1)


class Filer:
    """Joins events into journeys and stores them. One at a time, for each stack.

    After an exception its memory no longer agrees with the rows: use a new one.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Draft] = OrderedDict()
        #: Process → when it last turned a client away or accepted a mail.
        self._told: dict[str, datetime] = {}

    def file(self, events: Sequence[tuple[datetime, Event]]) -> Counter[str]:
        """Stores the events, in the order of their times; returns how many of each kind there were.

        Call it in a transaction.
        """
        ordered = sorted(events, key=lambda one: one[0])
        self._fetch(key for _, event in ordered for key in joining.keys_of(event))
        touched: dict[Draft, None] = {}
        moved: list[tuple[int, Draft]] = []
        ends: list[tuple[Draft, datetime, Event]] = []
        for at, event in ordered:
            if self._is_news(event, at):
                draft = self._taken(event, at, moved)
                touched[draft] = None
                if event.kind in _ENDS and not draft.is_report(event):
                    ends.append((draft, at, event))
        self._write([draft for draft in touched if draft.merged is None], moved)
        telling.ended([(draft.whole.row, at, event) for draft, at, event in ends])
        self._forget()
        return Counter(event.kind for _, event in ordered)

    # --- which journey
    def _fetch(self, keys: Iterable[str]) -> None:
        """Reads the newest journeys of keys that are not in memory."""
        missing = sorted({key for key in keys if key not in self._kept})
        for start in range(0, len(missing), _PORTION):
            portion = missing[start : start + _PORTION]
            pairs = (
                JourneyKey.objects.filter(key__in=portion)
                .order_by("journey_id")
                .values_list("key", "journey_id")
            )
            newest = dict(pairs)
            known = (
                {draft.row.pk: draft for draft in map(_whole, self._kept.values()) if draft.row.pk}
                if newest
                else {}
            )
            rows = Journey.objects.in_bulk({pk for pk in newest.values() if pk not in known})
            drafts = {pk: Draft(row) for pk, row in rows.items()} | known
            for key, pk in newest.items():
                if pk in drafts:
                    self._kept[key] = drafts[pk]

    def _taken(self, event: Event, at: datetime, moved: list[tuple[int, Draft]]) -> Draft:
        if event.kind in CONNECTIONS and not event.queue_id:
            return self._counted(event, at)
        if event.kind in (Kind.REFUSED, Kind.PUT_OFF, Kind.DISCARDED) and not event.queue_id:
            return self._counted(event, at)
        found: list[Draft] = []
        for key in joining.keys_of(event):
            draft = self._kept.get(key)
            whole = draft.whole if draft else None
            if (
                whole is not None
                and whole not in found
                and (whole.takes(event, at) or _names_a_report(event, key) or event.kind == Kind.RETURNED)
            ):
                found.append(whole)
        draft = found[0] if found else joining.begin(at, event)
        for other in found[1:]:
            # The one that began first keeps its number, so that links to it last.
            first, second = sorted((draft, other), key=lambda one: (one.row.pk is None, one.row.began_at))
            is_report = event.kind in joining.REPORTS
            first, second = (draft, other) if is_report else (first, second)
            joining.merge(second, first, report=is_report)
            if second.row.pk:
                moved.append((second.row.pk, first))
            draft = first
        joining.add(draft, event, at)
        for key in joining.keys_of(event):
            self._kept[key] = draft
            self._kept.move_to_end(key)
        return draft

    def _counted(self, event: Event, at: datetime) -> Draft:
        """What happens again and again is one row an hour, with its number."""
        parts = (event.kind, event.client, event.login, event.sender or "", *event.recipients, event.code)
        key = f"d:{at:%Y%m%d%H}:{':'.join(parts)}:{event.data.get('stage', '')}:{event.data.get('protocol', '')}"
        draft = self._kept.get(key)
        if draft is None:
            draft = self._kept[key] = joining.begin(at, event)
            joining.add(draft, event, at)
        else:
            draft.row.last_at, draft.changed = max(draft.row.last_at, at), True
            draft.more += 1
        self._kept.move_to_end(key)
        return draft

    def _is_news(self, event: Event, at: datetime) -> bool:
        if event.kind == Kind.RETURNED:
            draft = self._kept.get(joining.message_key(event.message_id))
            return draft is not None and joining.is_about(draft.whole.row, event)
        if event.kind in _TOLD and event.process:
            self._told[event.process] = at
            if len(self._told) > _MOST_KEPT:
                self._told.clear()
        if event.kind != Kind.LOST or event.queue_id:
            return True
        told = self._told.pop(event.process, None)
        return told is None or at - told > _SESSION

    # --- rows
    def _write(self, drafts: list[Draft], moved: list[tuple[int, Draft]]) -> None:
        # A notice that Postfix made and did not send has nothing but a Message-ID.
        for draft in [draft for draft in drafts if draft.ended and not draft.row.facts.get("n")]:
            drafts.remove(draft)
            if draft.row.pk is not None:
                Journey.objects.filter(pk=draft.row.pk).delete()
            draft.row.pk, draft.keys = None, set()
        new = [draft for draft in drafts if draft.row.pk is None]
        Journey.objects.bulk_create([draft.row for draft in new])
        old = [draft for draft in drafts if draft.row.pk is not None and draft.changed and draft not in new]
        if old:
            Journey.objects.bulk_create(
                [draft.row for draft in old],
                update_conflicts=True,
                unique_fields=["id"],
                update_fields=_CHANGING,
            )
        stored = [draft for draft in drafts if draft.row.pk is not None]
        for pk, draft in moved:
            if draft.whole.row.pk is not None:
                self._move(pk, draft.whole.row.pk)
        JourneyKey.objects.bulk_create(
            [JourneyKey(key=key, journey=draft.row) for draft in stored for key in sorted(draft.keys)],
            ignore_conflicts=True,
        )
        rows = []
        for draft in stored:
            for number, event in enumerate(draft.events):
                event.journey = draft.row
                if draft.more and not number:
                    event.count, draft.more = 1 + draft.more, 0
                rows.append(event)
            if draft.more:
                MailEvent.objects.filter(journey=draft.row).update(count=F("count") + draft.more)
            draft.events, draft.keys, draft.more, draft.changed = [], set(), 0, False
        MailEvent.objects.bulk_create(rows)

    def _move(self, pk: int, to: int) -> None:
        """A journey that is stored became a part of another."""
        MailEvent.objects.filter(journey_id=pk).update(journey_id=to)
        keys = JourneyKey.objects.filter(journey_id=pk).values_list("key", flat=True)
        JourneyKey.objects.bulk_create(
            [JourneyKey(key=key, journey_id=to) for key in keys], ignore_conflicts=True
        )
        Journey.objects.filter(pk=pk).delete()

    def _forget(self) -> None:
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)


def _whole(draft: Draft) -> Draft:
    return draft.whole


def _names_a_report(event: Event, key: str) -> bool:
    return event.kind == Kind.REPORTED and key == f"q:{event.data['as']}"


def store(events: Sequence[tuple[datetime, Event]]) -> Counter[str]:
    """Stores events with a new filer; for tests and benchmarks."""
    with transaction.atomic():
        return Filer().file(events)
