"""Records that a report came, in the transaction that accepts it: when and from whom, never what it says.

Nothing is decided here: for a watched report the worker is woken, which does that (``watching.py``).
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from mailrelay.expected import signatures
from mailrelay.expected.signatures import Signature
from mailrelay.models import ExpectedReport, Message
from quazzar import doorbell

SWEEP = "mailrelay.tasks.sweep_expected"
#: How many arrivals of a report are kept.
KEPT = 60
#: The most senders that are learned about at once; purging makes room (``watching.purge``).
MOST_LEARNING = 1000
#: Reports of the same kind that are closer than this are one.
_TOGETHER = 60.0
#: Most new subjects that one sender may bring in an hour: newsletters are not reports.
_NEWCOMERS = 30
State, Kind = ExpectedReport.State, ExpectedReport.Kind
#: Kinds whose title is made of a message's subject, and the source of that message.
_KINDS = {Kind.SENDMAIL.value: Message.Source.SENDMAIL.value, Kind.MESSAGE.value: Message.Source.API.value}


class _Recent:
    """What this process has recorded a moment ago, so that a thousand similar mails do not cost a thousand writes."""

    def __init__(self, size: int = 2000) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._hour = 0
        self._newcomers: Counter[str] = Counter()

    def has(self, key: str) -> bool:
        return time.monotonic() - self._seen.get(key, -_TOGETHER) < _TOGETHER

    def add(self, key: str) -> None:
        with self._lock:
            self._seen[key] = time.monotonic()
            self._seen.move_to_end(key)
            if len(self._seen) > self._size:
                self._seen.popitem(last=False)

    def forget(self) -> None:
        with self._lock:
            self._seen.clear()
            self._newcomers.clear()

    def admits(self, source: str) -> bool:
        """Whether the sender may bring one more new subject in this hour."""
        hour = int(time.monotonic() // 3600)
        with self._lock:
            if hour != self._hour:
                self._hour = hour
                self._newcomers.clear()
            self._newcomers[source] += 1
            return self._newcomers[source] <= _NEWCOMERS


recent = _Recent()


def record(signature: Signature, *, succeeded: bool = True, now: datetime | None = None) -> None:
    """Remember that this report came now; call it inside the transaction that accepts it."""
    key = signature.key
    if succeeded and now is None and recent.has(key):
        return
    now = now or timezone.now()
    columns = ("pk", "state", "arrivals", "last_at", "look_at")
    known = ExpectedReport.objects.filter(key=key).values(*columns).first()
    if known is None:
        known = _declared(signature)
    if known is None:
        _add(signature, now, succeeded=succeeded)
    else:
        # Where two come at once, one of them is enough.
        ExpectedReport.objects.filter(pk=known["pk"], last_at=known["last_at"]).update(
            **_after(known, now, succeeded=succeeded)
        )
        if known["state"] in ExpectedReport.WATCHED:
            transaction.on_commit(partial(doorbell.ring, SWEEP))
    if succeeded:
        transaction.on_commit(partial(recent.add, key))


def _after(known: dict[str, Any], now: datetime, *, succeeded: bool) -> dict[str, Any]:
    """The columns of a row after one more arrival."""
    # None is in the future, unless the clock was put back.
    earlier = [arrival for arrival in known["arrivals"] if arrival[0] <= now.timestamp()]
    arrivals = [*earlier, [round(now.timestamp()), succeeded]][-KEPT:]
    look_at = known["look_at"]
    if known["state"] in ExpectedReport.WATCHED:
        look_at = now
    elif known["state"] in (State.LEARNING, State.PROPOSED) and len(arrivals) >= 3:
        wait = (arrivals[-1][0] - arrivals[0][0]) / 20
        look_at = look_at or now + timedelta(seconds=min(max(wait, 60), 3600))
    return {"arrivals": arrivals, "last_at": now, "look_at": look_at}


def forget(*, messages: Sequence[Message], **_: Any) -> None:
    """Forget what was learned from deleted messages, including the subject.

    What is proposed or watched stays: an operator has seen that and can delete it, too. Connected to
    ``byhand.deleting`` by the app's ready().
    """
    came: dict[tuple[str, str], list[float]] = {}
    for message in messages:
        if title := signatures.title_of(message.source, message.subject):
            came.setdefault((message.source, title), []).append(message.created_at.timestamp())
    learning = ExpectedReport.objects.filter(state=State.LEARNING, kind__in=_KINDS) if came else ()
    for row in learning:
        gone = came.get((_KINDS[row.kind], row.title), [])
        # One arrival stands for all that came within a minute, and is recorded a moment after its message.
        kept = [each for each in row.arrivals if not any(abs(each[0] - at) <= _TOGETHER + 1 for at in gone)]
        if not kept:
            row.delete()
        elif len(kept) < len(row.arrivals):
            ExpectedReport.objects.filter(pk=row.pk, last_at=row.last_at).update(arrivals=kept)


def _declared(signature: Signature) -> dict[str, Any] | None:
    """The row that an operator declared for this report; from now on it is bound to it."""
    for row in ExpectedReport.objects.filter(key=None, kind__in=[signature.kind, Kind.ANY]).order_by("pk"):
        if matches(row.title, signature.title, signature.name):
            bound = {name: getattr(signature, name) for name in ("kind", "source", "title", "key")}
            if ExpectedReport.objects.filter(pk=row.pk, key=None).update(**bound):
                return {"pk": row.pk, "state": row.state, "arrivals": [], "last_at": None, "look_at": None}
    return None


def matches(wanted: str, *texts: str) -> bool:
    """Whether one of the texts contains what is wanted, in any case of letters."""
    return any(wanted.casefold() in text.casefold() for text in texts)


def _add(signature: Signature, now: datetime, *, succeeded: bool) -> None:
    if not recent.admits(f"{signature.kind} {signature.source}"):
        return
    if ExpectedReport.objects.filter(state=State.LEARNING).count() >= MOST_LEARNING:
        return
    row = ExpectedReport(
        name=signature.name,
        kind=signature.kind,
        key=signature.key,
        title=signature.title,
        source=signature.source,
        arrivals=[[round(now.timestamp()), succeeded]],
        last_at=now,
        since=now,
    )
    ExpectedReport.objects.bulk_create([row], ignore_conflicts=True)
