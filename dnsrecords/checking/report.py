"""A domain's records, each with how it stood when it was last looked up: what API and console show."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils import timezone

from dnsrecords.models import DomainCheck, RecordCheck
from dnsrecords.records import build as records
from dnsrecords.records import facts as domainfacts
from dnsrecords.records import zonefile
from dnsrecords.verdicts import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from dnsrecords.records.build import Facts, Record
    from mailboxes.models import Domain


@dataclass(frozen=True, slots=True)
class Row:
    """One record and its last check."""

    record: Record
    status: Status = Status.UNCHECKED
    message: str = ""
    found: tuple[str, ...] = ()
    advice: str = ""
    propagation: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All of a domain's. ``checked_at`` is None when nobody ever looked."""

    domain: Domain
    facts: Facts
    rows: tuple[Row, ...]
    checked_at: datetime | None

    @property
    def required(self) -> tuple[Row, ...]:
        """The four."""
        return tuple(row for row in self.rows if row.record.required)

    @property
    def recommended(self) -> tuple[Row, ...]:
        """The others."""
        return tuple(row for row in self.rows if not row.record.required)

    @property
    def done(self) -> int:
        """How many of the required ones are right."""
        return sum(row.status is Status.OK for row in self.required)

    @property
    def health(self) -> Status:
        """The worst of the required ones; unchecked while one of them is."""
        found = {row.status for row in self.required}
        order = (Status.UNCHECKED, Status.MISMATCH, Status.MISSING, Status.ERROR)
        return next((status for status in order if status in found), Status.OK)


def records_of(facts: Facts) -> tuple[Record, ...]:
    """The required four, then the recommended ones."""
    return (*records.required(facts), *records.recommended(facts))


def of(domain: Domain) -> Report:
    """Of one domain."""
    return next(of_all([domain]))


def of_all(domains: Iterable[Domain]) -> Iterator[Report]:
    """Of many, with as many queries as of one."""
    wanted = list(domains)
    keys = [domain.pk for domain in wanted]
    checks: dict[int, dict[str, RecordCheck]] = defaultdict(dict)
    for check in RecordCheck.objects.filter(domain__in=keys):
        checks[check.domain_id][check.record] = check
    times = dict(DomainCheck.objects.filter(domain__in=keys).values_list("domain_id", "checked_at"))
    for domain, facts in zip(wanted, domainfacts.of_all(wanted), strict=True):
        rows = tuple(_row(record, checks[domain.pk].get(record.id)) for record in records_of(facts))
        yield Report(domain, facts, rows, times.get(domain.pk))


def _row(record: Record, check: RecordCheck | None) -> Row:
    if check is None or check.expected != record.value:
        return Row(record)  # nobody has looked for this value yet
    return Row(
        record,
        Status(check.status),
        check.message,
        tuple(check.found),
        check.advice,
        check.propagation,
        check.since,
    )


def zone(domain: Domain) -> str:
    """The zone file of a domain that has no zone yet."""
    facts = domainfacts.of(domain)
    serial = int(timezone.now().timestamp())
    return zonefile.render(domain.name, records_of(facts), serial=serial)
