"""Keeps what a check found: each record's last state, its history, and what the operator has to be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from dnsrecords import watching
from dnsrecords.models import DomainCheck, RecordChange, RecordCheck
from dnsrecords.verdicts import Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from dnsrecords.records import Record
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
        news = []
        for each in results:
            news += _keep_one(domain, known.get(each.record.id), each, now)
        RecordCheck.objects.filter(domain=domain).exclude(
            record__in=[each.record.id for each in results]
        ).delete()
        DomainCheck.objects.filter(domain=domain).update(checked_at=now, due_at=due)
    return news


def _keep_one(domain: Domain, row: RecordCheck | None, result: Result, now: datetime) -> list[News]:
    verdict, found = result.verdict, list(result.verdict.found)
    row = row or RecordCheck(domain=domain, record=result.record.id, since=now)
    before, old = row.status, list(row.found)
    memory = watching.Memory(row.was_ok, row.failures, row.told)
    if row.expected and row.expected != result.record.value:
        # Another value is wanted now: that it is not there yet is work to be done, and no breakage.
        memory = watching.Memory(told=row.told)
    memory, event = watching.step(memory, verdict.status)
    row.was_ok, row.failures, row.told = memory.was_ok, memory.failures, memory.told
    row.expected, row.status, row.message = result.record.value, verdict.status.value, verdict.message
    row.found, row.advice, row.propagation = found, verdict.advice, result.propagation
    if before != row.status:
        row.since = now
    if row.pk is None:
        row.save(force_insert=True)
    else:
        row.save(update_fields=_FIELDS)
    if before != row.status or (old != found and verdict.status is not Status.ERROR):
        _note_change(row, before, now)
    return [News(domain.name, result.record, verdict, event, tuple(old))] if event else []


def _note_change(row: RecordCheck, before: str, now: datetime) -> None:
    RecordChange.objects.create(
        domain_id=row.domain_id,
        record=row.record,
        before=before,
        status=row.status,
        message=row.message,
        found=row.found,
        at=now,
    )
    rows = RecordChange.objects.filter(domain_id=row.domain_id, record=row.record)
    kept = rows.values_list("pk", flat=True)[_HISTORY : _HISTORY + 1]
    if oldest := next(iter(kept), None):
        rows.filter(pk__lte=oldest).delete()
