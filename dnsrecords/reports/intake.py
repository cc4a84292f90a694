"""Stores what reports say: each once, of our own domains only, as counts per day. The file itself is not kept."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import models, transaction
from django.db.models import F
from django.utils import timezone

from dnsrecords.models import Network, ReceivedReport, RefusedReport, ReportedMail, ReportedTls
from dnsrecords.names import within
from dnsrecords.reports import unpacking
from dnsrecords.reports.values import (
    OK,
    DmarcRecord,
    DmarcReport,
    Period,
    Report,
    TlsReport,
    TlsResult,
    Unfit,
    Why,
)
from mailboxes.changes import batches
from mailboxes.models import Domain
from quazzar import words

logger = logging.getLogger(__name__)

Way = ReceivedReport.Way
Row = TypeVar("Row", ReportedMail, ReportedTls)
#: Reports on one domain that are taken in a day, and rows that they may fill for one day. Anybody can send reports.
MOST_A_DAY, MOST_ROWS = 500, 2_000
#: How far ahead of ours a reporter's clock may be.
_AHEAD = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a file.

    Attributes:
        stored: the reports that are new, and ``repeated``: how many were known already.
    """

    stored: tuple[ReceivedReport, ...]
    repeated: int = 0


def take(data: bytes, way: Way, *, sender: str = "", is_authenticated: bool = False) -> Taken:
    """Store the reports in a file or a mail.

    Raises:
        Unfit: it has no report, or none that can be stored; this is counted.
    """
    try:
        if not settings.QUAZZAR_REPORT_RETENTION_DAYS:
            raise Unfit(Why.UNREADABLE, "Reports are switched off: QUAZZAR_REPORT_RETENTION_DAYS is 0.")
        found = unpacking.reports(data)
    except Unfit as exc:
        _refuse(exc)
        raise
    stored: list[ReceivedReport] = []
    repeated, refusals = 0, []
    origin = {"way": way, "sender": sender[:320], "is_authenticated": is_authenticated}
    for report in found:
        try:
            for domain, part in _parts(report).items():
                row = _store(domain, part, origin)
                stored += [row] if row else []
                repeated += row is None
        except Unfit as exc:
            _refuse(exc)
            refusals.append(exc)
    if refusals and not stored and not repeated:
        raise refusals[0]
    for row in stored:
        logger.info("reports: %s: %s, %s failed", row, row.total, row.failed)
    return Taken(tuple(stored), repeated)


def refused_since(day: date) -> dict[str, int]:
    """Reason → how many reports were refused since a day."""
    rows = RefusedReport.objects.filter(day__gte=day).values_list("why").annotate(number=models.Sum("count"))
    return {why: int(number) for why, number in rows.order_by("why")}


def _refuse(error: Unfit) -> None:
    row, _ = RefusedReport.objects.get_or_create(day=timezone.now().date(), why=error.why)
    RefusedReport.objects.filter(pk=row.pk).update(count=F("count") + 1)
    logger.info("reports: refused: %s", error.why)


# --- whose they are ----------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class _Part:
    """What a report says about one of our domains."""

    report: Report
    dmarc: tuple[DmarcRecord, ...] = ()
    tls: tuple[TlsResult, ...] = ()


def _parts(report: Report) -> Mapping[Domain, _Part]:
    """The parts of a report about our domains.

    Raises:
        Unfit: it is about none of them, or about a time that is over or has not begun.
    """
    _check_time(report.period)
    domains = {domain.name: domain for domain in Domain.objects.all()}
    if isinstance(report, DmarcReport):
        # The policy may be published above our domain, and the mail may be from below it.
        published = _ours(report.domain, domains)
        dmarc: dict[Domain, list[DmarcRecord]] = {published: []} if published else {}
        for record in report.records:
            # Without a usable From, the policy's domain says enough.
            if owner := _ours(record.header_from or report.domain, domains):
                dmarc.setdefault(owner, []).append(record)
        parts = {owner: _Part(report, dmarc=tuple(records)) for owner, records in dmarc.items()}
    else:
        tls: dict[Domain, list[TlsResult]] = {}
        for result in report.results:
            if owner := _ours(result.domain, domains):
                tls.setdefault(owner, []).append(result)
        parts = {owner: _Part(report, tls=tuple(results)) for owner, results in tls.items()}
    if not parts:
        raise Unfit(Why.NOT_OURS, "The report is about no domain of this node.")
    return parts


def _ours(name: str, domains: Mapping[str, Domain]) -> Domain | None:
    """The nearest of our domains at or above a name."""
    above = [known for known in domains if within(name, known)]
    return domains[max(above, key=len)] if above else None


def _check_time(period: Period) -> None:
    now = timezone.now()
    if period.day > now + _AHEAD:
        raise Unfit(Why.DATES, f"The report is about the future: {words.day(period.day)}.")
    if period.day < now - timedelta(days=settings.QUAZZAR_REPORT_RETENTION_DAYS):
        raise Unfit(Why.DATES, f"The report is older than reports are kept: {words.day(period.day)}.")


# --- storing -----------------------------------------------------------------------------------------------
def _store(domain: Domain, part: _Part, origin: Mapping[str, Any]) -> ReceivedReport | None:
    """Store one part; None if it is stored already."""
    report = part.report
    key = _key(domain, report)
    with transaction.atomic():
        # Reports on one domain are stored one after the other, so that the counts are right.
        Domain.objects.select_for_update().get(pk=domain.pk)
        if ReceivedReport.objects.filter(key=key).exists():
            return None
        today = ReceivedReport.objects.filter(
            domain=domain, received_at__gte=timezone.now() - timedelta(days=1)
        )
        if today.count() >= MOST_A_DAY:
            raise Unfit(
                Why.TOO_MANY, f"More than {MOST_A_DAY} reports on {domain.name} arrived within a day."
            )
        total, failed = (
            _store_dmarc(domain, part) if isinstance(report, DmarcReport) else _store_tls(domain, part)
        )
        return ReceivedReport.objects.create(
            domain=domain,
            kind=ReceivedReport.Kind.DMARC if isinstance(report, DmarcReport) else ReceivedReport.Kind.TLS,
            key=key,
            organisation=report.organisation,
            report_id=report.report_id,
            begins=report.period.begins,
            ends=report.period.ends,
            policy=report.policy if isinstance(report, DmarcReport) else "",
            total=total,
            failed=failed,
            **origin,
        )


def _key(domain: Domain, report: Report) -> str:
    # Without an id, the time tells reports apart.
    which = report.report_id or report.period.begins.isoformat()
    kind = "tls" if isinstance(report, TlsReport) else "dmarc"
    parts = (kind, report.organisation.lower(), which, domain.name)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _store_dmarc(domain: Domain, part: _Part) -> tuple[int, int]:
    day = part.report.period.day.date()
    counts: Counter[DmarcRecord] = Counter()
    for record in part.dmarc:
        counts[_without_count(record)] += record.count
    rows = [
        ReportedMail(
            domain=domain,
            day=day,
            key=_digest(
                each.address,
                each.header_from,
                each.dkim,
                each.spf,
                each.disposition,
                each.reason,
                each.signer,
            ),
            address=each.address,
            header_from=each.header_from,
            dkim=each.dkim,
            spf=each.spf,
            disposition=each.disposition,
            reason=each.reason,
            signer=each.signer,
            count=number,
        )
        for each, number in counts.items()
    ]
    added = _add(ReportedMail.objects.filter(domain=domain, day=day), rows, _folded_mail)
    _note_addresses({row.address for row in added if row.address}, day)
    return counts.total(), sum(number for each, number in counts.items() if not each.passed)


def _without_count(record: DmarcRecord) -> DmarcRecord:
    return DmarcRecord(
        record.address,
        0,
        record.dkim,
        record.spf,
        record.disposition,
        record.reason,
        record.header_from,
        record.signer,
    )


def _store_tls(domain: Domain, part: _Part) -> tuple[int, int]:
    day = part.report.period.day.date()
    counts: Counter[tuple[str, str, str]] = Counter()
    for result in part.tls:
        counts[result.policy, result.result, result.host] += result.count
    rows = [
        ReportedTls(
            domain=domain,
            day=day,
            key=_digest(*each),
            policy=each[0],
            result=each[1],
            host=each[2],
            count=number,
        )
        for each, number in counts.items()
    ]
    _add(ReportedTls.objects.filter(domain=domain, day=day), rows, _folded_tls)
    return counts.total(), sum(number for (_, result, _), number in counts.items() if result != OK)


def _folded_mail(row: ReportedMail) -> ReportedMail:
    """The same result without the address and the details, for a day that has too many."""
    row.address = row.header_from = row.signer = row.reason = ""
    row.key = _digest("", "", row.dkim, row.spf, row.disposition, "", "")
    return row


def _folded_tls(row: ReportedTls) -> ReportedTls:
    row.host, row.result = "", row.result if row.result == OK else "other"
    row.key = _digest(row.policy, row.result, "")
    return row


def _add(stored: models.QuerySet[Any], rows: Iterable[Row], fold: Any) -> Any:
    """Add the counts to the day's rows; once there are too many rows, new ones are folded into a few."""
    known = set(stored.values_list("key", flat=True))
    new: dict[str, Row] = {}
    more: Counter[str] = Counter()
    for row in rows:
        if row.key not in known and row.key not in new and len(known) + len(new) >= MOST_ROWS:
            row = fold(row)  # noqa: PLW2901
        if row.key in known:
            more[row.key] += row.count
        elif row.key in new:
            new[row.key].count += row.count
        else:
            new[row.key] = row
    for key, number in more.items():
        stored.filter(key=key).update(count=F("count") + number)
    added = [*new.values()]
    stored.model._default_manager.bulk_create(added, batch_size=200)
    return added


def _note_addresses(addresses: Iterable[str], day: date) -> None:
    """Remember addresses whose owner is to be looked up."""
    named = sorted(addresses)
    Network.objects.bulk_create(
        [Network(address=address, reported_on=day) for address in named],
        ignore_conflicts=True,
        batch_size=200,
    )
    for some in batches(named):
        Network.objects.filter(address__in=some, reported_on__lt=day).update(reported_on=day)


def _digest(*values: object) -> str:
    return hashlib.sha256("\0".join(map(str, values)).encode()).hexdigest()[:32]
