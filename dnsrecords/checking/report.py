"""A domain's records, each with the result of the last check, for API and console."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from dnsrecords.dmarc import policy, stages
from dnsrecords.kinds.dmarc import reports_to
from dnsrecords.kinds.registry import wanted
from dnsrecords.models import DomainCheck, Publisher, RecordCheck
from dnsrecords.names import relative_name, within, zone_of_apex
from dnsrecords.records import zonefile
from dnsrecords.records.facts import Facts
from dnsrecords.records.record import digest, to_publish
from dnsrecords.verdicts import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from dnsrecords.dmarc.policy import Policy
    from dnsrecords.dmarc.stages import Step
    from dnsrecords.records.record import Record
    from mailboxes.models import Domain


#: A check that takes longer belongs to a worker that was killed.
_LONGEST_LOOK = timedelta(seconds=30)
#: Ids of records at the domain's own name.
_AT_THE_DOMAIN = ("mx", "spf")


@dataclass(frozen=True, slots=True)
class Row:
    """One record and its last check.

    Attributes:
        zone: the zone that the record's name is in; empty: not known.
        since: when it got this status; None while it is unchecked.
    """

    record: Record
    status: Status = Status.UNCHECKED
    message: str = ""
    found: tuple[str, ...] = ()
    advice: str = ""
    propagation: str = ""
    since: datetime | None = None
    zone: str = ""

    @property
    def to_publish(self) -> Record:
        """The record with the value to publish."""
        return to_publish(self.record, self.status, self.found, self.advice)

    @property
    def relative_name(self) -> str:
        """The name to enter at registrars that append the zone; without a known zone the full name with a final dot."""
        return relative_name(self.record.name, self.zone)


@dataclass(frozen=True, slots=True)
class Report:
    """All records of a domain.

    Attributes:
        checked_at: when they were last checked; None: never.
        looking: whether they are being checked now, or will be in seconds.
    """

    domain: Domain
    facts: Facts
    rows: tuple[Row, ...]
    checked_at: datetime | None
    looking: bool = False

    @classmethod
    def for_domain(cls, domain: Domain) -> Report:
        """The report on one domain."""
        return next(cls.for_domains([domain]))

    @classmethod
    def for_domains(cls, domains: Iterable[Domain]) -> Iterator[Report]:
        """The report on each domain, in their order, with as many queries as for a single domain."""
        domains = list(domains)
        keys = [domain.pk for domain in domains]
        checks: dict[int, dict[str, RecordCheck]] = defaultdict(dict)
        for check in RecordCheck.objects.filter(domain__in=keys):
            checks[check.domain_id][check.record] = check
        looks = DomainCheck.objects.in_bulk(keys)
        zones = dict(Publisher.objects.filter(domain__in=keys).values_list("domain_id", "zone"))
        for domain, facts in zip(domains, Facts.for_domains(domains), strict=True):
            known = checks[domain.pk]
            own = _zone_of(domain.name, known.values(), zones.get(domain.pk, ""))
            records, look = wanted(facts), looks.get(domain.pk)
            rows = tuple(_row(record, known.get(record.id), own) for record in records)
            checked_at = look.checked_at if look else None
            yield cls(domain, facts, rows, checked_at, _is_looking(look, records))

    @property
    def required(self) -> tuple[Row, ...]:
        """The four records that mail depends on."""
        return tuple(row for row in self.rows if row.record.required)

    @property
    def recommended(self) -> tuple[Row, ...]:
        """The records that are worth publishing, but not required."""
        return tuple(row for row in self.rows if not row.record.required)

    @property
    def done(self) -> int:
        """How many of the required ones are right."""
        return sum(row.status is Status.OK for row in self.required)

    @property
    def health(self) -> Status:
        """The worst of the required ones; unchecked while one of them is."""
        statuses = {row.status for row in self.required}
        order = (Status.UNCHECKED, Status.MISMATCH, Status.MISSING, Status.ERROR)
        return next((status for status in order if status in statuses), Status.OK)

    @property
    def dmarc_path(self) -> tuple[Step, ...]:
        """The three stages to a strong DMARC policy, the weakest first; reached or not by what was published last."""
        row = next(row for row in self.required if row.record.kind == "dmarc")
        right = row.status is Status.OK
        holds = policy.parse(row.record.value).policy if right else policy.POLICIES[0]
        reports = self.facts.dmarc_reports or reports_to(self.facts.domain)
        return stages.path(_policy_of(row), reports, holds)


def _is_looking(look: DomainCheck | None, records: Iterable[Record]) -> bool:
    now = timezone.now()
    if look is None or look.due_at <= now or look.looked_for != digest(records):
        return True
    return look.looking_since is not None and look.looking_since > now - _LONGEST_LOOK


def _policy_of(row: Row) -> Policy | None:
    """The policy that receivers follow: of several, none. Without a record, but right, one from above applies."""
    inherited = (row.advice,) if row.status is Status.OK and not row.found else ()
    policies = [policy.parse(value) for value in row.found or inherited if policy.is_policy(value)]
    return policies[0] if len(policies) == 1 and not policies[0].fatal else None


def _zone_of(domain: str, checks: Iterable[RecordCheck], published_in: str) -> str:
    """The zone of a domain's own name: as a check has seen it, or as the operator has set it; empty: not known."""
    seen = (check.zone for check in checks if check.record in _AT_THE_DOMAIN and within(domain, check.zone))
    set_up = published_in if within(domain, published_in) else ""
    return next(filter(None, seen), "") or set_up or zone_of_apex(domain)


def _row(record: Record, check: RecordCheck | None, zone: str) -> Row:
    if check is not None and within(record.name, check.zone):
        zone = check.zone
    elif not within(record.name, zone):
        zone = ""
    if check is None or check.expected != record.value:
        return Row(record, zone=zone)  # this value has not been checked yet
    return Row(
        record,
        Status(check.status),
        check.message,
        tuple(check.found),
        check.advice,
        check.propagation,
        check.since,
        zone,
    )


def zone(domain: Domain) -> str:
    """The zone file of a domain, with what is to be published."""
    serial = int(timezone.now().timestamp())
    rows = Report.for_domain(domain).rows
    known = next((row.zone for row in rows if row.record.name == domain.name), "")
    # A zone without a dot is a registry's: the domain has none of its own yet.
    own = known if "." in known else ""
    return zonefile.render(domain.name, [row.to_publish for row in rows], serial=serial, zone=own)
