"""Keeps what a check found: each record's last state, its history, and what the operator has to be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction

from dnsrecords.checking import watching
from dnsrecords.models import DomainCheck, RecordChange, RecordCheck
from dnsrecords.verdicts import Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from dnsrecords.records.build import Record
    from dnsrecords.verdicts import Verdict
    from mailboxes.models import Domain

#: Changes kept for each record.
_HISTORY = 50
_FIELDS = (
    "expected", "status", "message", "found", "advice", "propagation", "since", "was_ok", "failures", "told",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """One record, and how it stands.

    Attributes:
        everywhere: every name server of the zone has it; where none could be asked, the resolvers do.
    """

    record: Record
    verdict: Verdict
    propagation: str = ""
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """A record that broke, or is right again."""

    domain: str
    record: Record
    verdict: Verdict
    event: watching.Event
    before: tuple[str, ...]


def keep(domain: Domain, results: Sequence[Result], now: datetime, due: datetime) -> list[News]:
    """Stores the results of one check, and forgets records that are no longer wanted."""
    with transaction.atomic():
        # Two checks of one domain at once (somebody pressed the button) come one after the other here.
        DomainCheck.objects.get_or_create(domain=domain)
        DomainCheck.objects.select_for_update().get(domain=domain)
        known = {row.record: row for row in RecordCheck.objects.filter(domain=domain)}
        steps = [_step(domain, known.pop(each.record.id, None), each, now) for each in results]
        RecordCheck.objects.bulk_create([each.row for each in steps if each.row.pk is None])
        # Most checks find what the one before found.
        RecordCheck.objects.bulk_update([each.row for each in steps if each.differs], _FIELDS)
        _note([each.change for each in steps if each.change is not None])
        if known:
            RecordCheck.objects.filter(pk__in=[row.pk for row in known.values()]).delete()
        DomainCheck.objects.filter(domain=domain).update(checked_at=now, due_at=due)
    return [each.news for each in steps if each.news is not None]


@dataclass(frozen=True, slots=True)
class _Step:
    """What becomes of one record's row. ``differs``: it is there already, and has to be stored anew."""

    row: RecordCheck
    differs: bool
    change: RecordChange | None
    news: News | None


def _step(domain: Domain, row: RecordCheck | None, result: Result, now: datetime) -> _Step:
    verdict, found = result.verdict, list(result.verdict.found)
    row = row or RecordCheck(domain=domain, record=result.record.id, since=now)
    before = {name: getattr(row, name) for name in _FIELDS}
    memory = watching.Memory(row.was_ok, row.failures, row.told)
    if row.expected and row.expected != result.record.value:
        # Another value is wanted now: that it is not there yet is work to be done, and no breakage.
        memory = watching.Memory(told=row.told)
    memory, event = watching.step(memory, verdict.status)
    row.was_ok, row.failures, row.told = memory.was_ok, memory.failures, memory.told
    row.expected, row.status, row.message = result.record.value, verdict.status.value, verdict.message
    row.found, row.advice, row.propagation = found, verdict.advice, result.propagation
    if before["status"] != row.status:
        row.since = now
    differs = row.pk is not None and before != {name: getattr(row, name) for name in _FIELDS}
    news = News(domain.name, result.record, verdict, event, tuple(before["found"])) if event else None
    return _Step(row, differs, _change(row, before, now), news)


def _change(row: RecordCheck, before: dict[str, Any], now: datetime) -> RecordChange | None:
    """What belongs into the history. That somebody looked for the first time does not."""
    other_value = before["found"] != row.found and row.status != Status.ERROR
    if before["status"] == Status.UNCHECKED or (before["status"] == row.status and not other_value):
        return None
    return RecordChange(
        domain_id=row.domain_id,
        record=row.record,
        before=before["status"],
        status=row.status,
        message=row.message,
        found=row.found,
        at=now,
    )


def _note(changes: Sequence[RecordChange]) -> None:
    RecordChange.objects.bulk_create(changes)
    for each in changes:
        rows = RecordChange.objects.filter(domain_id=each.domain_id, record=each.record)
        kept = rows.values_list("pk", flat=True)[_HISTORY : _HISTORY + 1]
        if oldest := next(iter(kept), None):
            rows.filter(pk__lte=oldest).delete()
