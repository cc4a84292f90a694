"""How many messages were sent, failed, deferred or waited, by the hour; and how many the table holds by status.

Written in the same transaction as the results, so that a page or a scrape reads a few rows, however long the history.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from django.db.models import QuerySet, Sum
from django.utils import timezone

from mailrelay.models import HourlyCount, Message
from mailrelay.queue import statements

Outcome = HourlyCount.Outcome
Status = Message.Status
#: How long hours are kept.
KEPT = timedelta(days=31)
#: Statuses of messages that wait: they are counted where they are.
WAITING = (Status.QUEUED, Status.SENDING, Status.RETRYING)
#: What is reported about messages later: the totals of all time are kept, beside the hours.
REPORTED = (Outcome.BOUNCED, Outcome.COMPLAINED)
#: How many messages are counted each time somebody asks; of more, the number of the last sweep is told.
COUNTED = 10_000
#: How often a sweep counts a longer queue, in seconds: it takes 60 ms for a million messages.
_EVERY = 60.0
#: Statuses whose messages pile up over the years.
_FINAL = (Status.SENT, Status.FAILED)
#: When this process last counted a long queue.
_counted_at = -_EVERY


def hour_of(at: datetime) -> datetime:
    """When the hour began that this time is in."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def add(numbers: Mapping[str, int]) -> None:
    """Count what has become of messages just now, by outcome. Call it last in the transaction that records it."""
    hour = hour_of(timezone.now())
    happened = [(hour, str(outcome), number) for outcome, number in numbers.items() if number]
    kept = (*_FINAL, *REPORTED)
    stock = [(HourlyCount.STOCK, outcome, number) for _, outcome, number in happened if outcome in kept]
    if happened:
        statements.count([*happened, *stock])


def take_away(by_status: Mapping[str, int]) -> None:
    """Messages have left the table, or their final status."""
    gone = [
        (HourlyCount.STOCK, str(status), -number)
        for status, number in by_status.items()
        if status in _FINAL and number
    ]
    if gone:
        statements.count(gone)


def note_waiting() -> None:
    """Remember how many messages wait now, if more than were seen before in this hour; and of a long queue, how many
    have each status."""
    _count_long_queue()
    waiting = by_status()
    number = sum(waiting[status] for status in WAITING)
    hour = hour_of(timezone.now())
    row, _ = HourlyCount.objects.get_or_create(
        hour=hour, outcome=Outcome.WAITING, defaults={"number": number}
    )
    if row.number < number:
        HourlyCount.objects.filter(pk=row.pk, number__lt=number).update(number=number)


def by_status() -> dict[str, int]:
    """How many messages the table holds in each status."""
    stock = dict(HourlyCount.objects.filter(hour=HourlyCount.STOCK).values_list("outcome", "number"))
    found = {status: max(stock.get(status, 0), 0) for status in Status.values}
    for status, number in statements.counted(WAITING, COUNTED + 1).items():
        found[status] = number if number <= COUNTED else max(number, found[status])
    return found


def reported() -> dict[str, int]:
    """How many bounces and complaints there have ever been."""
    totals = dict(HourlyCount.objects.filter(hour=HourlyCount.STOCK).values_list("outcome", "number"))
    return {str(outcome): totals.get(outcome, 0) for outcome in REPORTED}


def known(status: str = "") -> tuple[int, bool]:
    """How many messages have this status (without one, how many there are), and whether that is exact: of a long queue,
    it is the number of the last sweep."""
    found = by_status()
    if status:
        found = {status: found[status]}
    return sum(found.values()), all(found.get(each, 0) <= COUNTED for each in WAITING)


def at_most(rows: QuerySet[Message]) -> int:
    """How many rows these are, if they are no more than ``COUNTED``; otherwise one more than that."""
    return rows.order_by()[: COUNTED + 1].count()


def _count_long_queue() -> None:
    global _counted_at
    if time.monotonic() - _counted_at < _EVERY:
        return
    for status in (Status.QUEUED, Status.RETRYING):
        rows = Message.objects.filter(status=status)
        if at_most(rows) > COUNTED:
            HourlyCount.objects.update_or_create(
                hour=HourlyCount.STOCK, outcome=str(status), defaults={"number": rows.count()}
            )
    _counted_at = time.monotonic()


def oldest_waiting() -> datetime | None:
    """When the oldest message that waits was queued; None if none waits."""
    # One query for each status: with all in one, a database reads all that waits.
    oldest = (
        Message.objects.filter(status=status).order_by("pk").values_list("created_at") for status in WAITING
    )
    return min((row[0] for rows in oldest for row in rows[:1]), default=None)


def since(at: datetime) -> dict[str, int]:
    """How often each outcome but ``waiting`` was counted from the hour of this time on."""
    rows = HourlyCount.objects.filter(hour__gte=hour_of(at)).exclude(outcome=Outcome.WAITING)
    sums = dict(rows.order_by().values_list("outcome").annotate(Sum("number")))
    return {outcome: sums.get(outcome, 0) for outcome in (Outcome.SENT, Outcome.FAILED, Outcome.DEFERRED)}


def hours(at: datetime) -> dict[tuple[datetime, str], int]:
    """(hour, outcome) → number, from the hour of this time on. An hour in which nobody looked has no ``waiting``."""
    rows = HourlyCount.objects.filter(hour__gte=hour_of(at)).order_by()
    return {
        (hour, outcome): number for hour, outcome, number in rows.values_list("hour", "outcome", "number")
    }


def prune(now: datetime) -> int:
    """Delete the hours that are no longer shown; returns how many rows."""
    old = HourlyCount.objects.filter(hour__gt=HourlyCount.STOCK, hour__lt=now - KEPT)
    return old.delete()[0]
