"""Stores the results of a check: each record's last state, its history, and the news for the operator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from django.db import transaction

from dnsrecords.kinds.dkim import FurtherKey
from dnsrecords.models import DomainCheck, RecordChange, RecordCheck
from dnsrecords.records.record import FURTHER_KEY
from dnsrecords.verdicts import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from dnsrecords.records.record import Record
    from dnsrecords.verdicts import Verdict
    from mailboxes.models import Domain

Event = Literal["", "broken", "recovered"]
#: Name servers that do not answer are news only after this many checks in a row.
ERRORS_BEFORE_NEWS = 3
#: Changes kept for each record.
_HISTORY = 50
#: Columns of `RecordCheck` that a check may change.
_FIELDS = (
    "expected",
    "status",
    "message",
    "found",
    "advice",
    "zone",
    "propagation",
    "since",
    "was_ok",
    "failures",
    "told",
)


@dataclass(frozen=True, slots=True)
class Result:
    """One record, and how it stands.

    Attributes:
        propagation: how far it has spread, as a sentence without a full stop; empty: no server was asked.
        zone: the zone that the record's name is in; empty: not known.
        everywhere: whether every name server of the zone has it; where none could be asked, whether the resolvers do.
    """

    record: Record
    verdict: Verdict
    propagation: str = ""
    everywhere: bool = False
    zone: str = ""


def published_keys(results: Iterable[Result]) -> dict[str, str]:
    """Selector → TXT record, of each further DKIM key that is published correctly on every name server."""
    return {
        result.record.id.removeprefix(FURTHER_KEY): result.verdict.found[0]
        for result in results
        if result.record.kind == FurtherKey.key and result.verdict.ok and result.everywhere
    }


@dataclass(frozen=True, slots=True)
class News:
    """A record that broke, or recovered.

    Attributes:
        domain: its name.
        before: the values that were published at the previous check.
    """

    domain: str
    record: Record
    verdict: Verdict
    event: Event
    before: tuple[str, ...]


# --- what is news ------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier checks leave behind for a record.

    Attributes:
        was_ok: it was right once. A record that never was is not news, but work to be done.
        failures: checks in a row that did not end in ok.
        told: the operator knows that it is broken.
    """

    was_ok: bool = False
    failures: int = 0
    told: bool = False

    def after(self, status: Status) -> tuple[Memory, Event]:
        """What to remember after another check, and what to report to the operator."""
        if status is Status.UNCHECKED:
            return self, ""
        if status is Status.OK:
            return Memory(was_ok=True), "recovered" if self.told else ""
        failures = self.failures + 1
        is_news = self.was_ok and not self.told
        if status is Status.ERROR and failures < ERRORS_BEFORE_NEWS:
            is_news = False
        return Memory(self.was_ok, failures, self.told or is_news), "broken" if is_news else ""


# --- rows --------------------------------------------------------------------------------------------------
def keep(
    domain: Domain,
    results: Iterable[Result],
    now: datetime,
    due: datetime,
    *,
    began: datetime | None = None,
) -> list[News]:
    """Stores the results of one check, and forgets records that are no longer wanted.

    Args:
        due: when the domain is due next, unless it became due during the check.
        began: when the check began; None: now. Results of a check that began later are kept.
    """
    began = began or now
    with transaction.atomic():
        # Two checks of one domain at the same time (somebody pressed the button) take turns here.
        check, _ = DomainCheck.objects.select_for_update().get_or_create(domain=domain)
        if check.began_at and check.began_at > began:
            return []
        rows = {row.record: row for row in RecordCheck.objects.filter(domain=domain)}
        steps = [_step(domain, rows.pop(result.record.id, None), result, now) for result in results]
        RecordCheck.objects.bulk_create([step.row for step in steps if step.row.pk is None])
        # Most checks find the same as the previous one.
        RecordCheck.objects.bulk_update([step.row for step in steps if step.differs], _FIELDS)
        _note([step.change for step in steps if step.change is not None])
        if rows:
            RecordCheck.objects.filter(pk__in=[row.pk for row in rows.values()]).delete()
        check.checked_at, check.began_at = now, began
        if check.looking_since and check.looking_since <= began:
            check.looking_since = None
        if not began < check.due_at <= now:
            check.due_at = due
        check.save(update_fields=["checked_at", "began_at", "looking_since", "due_at"])
    return [step.news for step in steps if step.news is not None]


@dataclass(frozen=True, slots=True)
class _Step:
    """How one record's row changes. ``differs``: it exists and must be updated."""

    row: RecordCheck
    differs: bool
    change: RecordChange | None
    news: News | None


def _step(domain: Domain, row: RecordCheck | None, result: Result, now: datetime) -> _Step:
    verdict = result.verdict
    row = row or RecordCheck(domain=domain, record=result.record.id, since=now)
    before = {name: getattr(row, name) for name in _FIELDS}
    memory = Memory(row.was_ok, row.failures, row.told)
    if row.expected and row.expected != result.record.value:
        # Another value is wanted now: that it is not published yet is work to be done, not a breakage.
        memory = Memory(told=row.told)
    memory, event = memory.after(verdict.status)
    row.was_ok, row.failures, row.told = memory.was_ok, memory.failures, memory.told
    row.expected, row.status, row.message = result.record.value, verdict.status.value, verdict.message
    row.found, row.advice, row.propagation = list(verdict.found), verdict.advice, result.propagation
    # Silent name servers do not move a name into another zone.
    row.zone = result.zone or row.zone
    if before["status"] != row.status:
        row.since = now
    differs = row.pk is not None and before != {name: getattr(row, name) for name in _FIELDS}
    news = News(domain.name, result.record, verdict, event, tuple(before["found"])) if event else None
    return _Step(row, differs, _change(row, before, now), news)


def _change(row: RecordCheck, before: dict[str, Any], now: datetime) -> RecordChange | None:
    """The change for the history, if there is one. A first check, or a check that was skipped, is not a change."""
    # The order in which a name server returns them means nothing.
    other_value = sorted(before["found"]) != sorted(row.found) and row.status != Status.ERROR
    if Status.UNCHECKED in (before["status"], row.status):
        return None
    if before["status"] == row.status and not other_value:
        return None
    return RecordChange(
        domain_id=row.domain_id,
        record=row.record,
        before=before["status"],
        status=row.status,
        message=row.message,
        found=row.found,
        found_before=before["found"],
        at=now,
    )


def _note(changes: Sequence[RecordChange]) -> None:
    RecordChange.objects.bulk_create(changes)
    for change in changes:
        rows = RecordChange.objects.filter(domain_id=change.domain_id, record=change.record)
        beyond = rows.values_list("pk", flat=True)[_HISTORY : _HISTORY + 1]
        if oldest := next(iter(beyond), None):
            rows.filter(pk__lte=oldest).delete()
