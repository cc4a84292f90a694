"""What the node reports about DNS records: metrics for /metrics, and the line in `manage.py doctor`."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Count, Max, Sum
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily

from dnsrecords.models import BlocklistEntry, DomainCheck, ReceivedReport, RecordCheck, RefusedReport
from dnsrecords.verdicts import Status
from quazzar import words
from quazzar.monitoring import doctor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.core import Metric

#: Ids of the records that mail depends on. The kinds know them too, but their code would cost each process memory.
REQUIRED = ("mx", "spf", "dkim", "dmarc")
_WRONG = (Status.MISSING, Status.MISMATCH)
_MOST_NAMED = 3
#: How long reports are in the metrics: there is one of each reporter a day.
REPORTS_FOR = timedelta(days=7)
#: Beside the words of a verdict, which say what to change: it may be to delete a record, or to mend this node.
_SEE = "The DNS records page shows each record."
_URGENT = f"Until then, mail may be refused, marked as spam or lost. {_SEE}"


def collect() -> Iterator[Metric]:
    """The number of records of each status."""
    family = GaugeMetricFamily(
        "quazzar_dns_records", "DNS records by the result of their last check.", labels=["status"]
    )
    counts = dict(RecordCheck.objects.values_list("status").annotate(count=Count("id")))
    for status in Status:
        family.add_metric([status.value], counts.get(status.value, 0))
    yield family


def collect_reports() -> Iterator[Metric]:
    """What reports that arrived in the last seven days say, by domain; and what was refused."""
    since = timezone.now() - REPORTS_FOR
    rows = ReceivedReport.objects.filter(received_at__gte=since).order_by()
    mails = GaugeMetricFamily(
        "quazzar_dmarc_mails",
        "Mails in DMARC reports of the last seven days by domain, and whether they passed.",
        labels=["domain", "result"],
    )
    sessions = GaugeMetricFamily(
        "quazzar_tls_sessions",
        "Sessions in TLS reports of the last seven days by domain, and whether they succeeded.",
        labels=["domain", "result"],
    )
    last = GaugeMetricFamily(
        "quazzar_reports_last_timestamp_seconds",
        "When the last report of each kind arrived in the last seven days, in Unix time.",
        labels=["kind"],
    )
    latest: dict[str, float] = {}
    sums = rows.values("domain__name", "kind").annotate(
        all=Sum("total"), bad=Sum("failed"), at=Max("received_at")
    )
    for row in sums:
        family = mails if row["kind"] == ReceivedReport.Kind.DMARC else sessions
        family.add_metric([row["domain__name"], "passed"], row["all"] - row["bad"])
        family.add_metric([row["domain__name"], "failed"], row["bad"])
        latest[row["kind"]] = max(latest.get(row["kind"], 0), row["at"].timestamp())
    for kind, at in latest.items():
        last.add_metric([kind], at)
    refused = GaugeMetricFamily(
        "quazzar_reports_refused", "Reports refused in the last seven days, and why.", labels=["why"]
    )
    counts = RefusedReport.objects.filter(day__gte=since.date()).order_by().values_list("why")
    for why, number in counts.annotate(number=Sum("count")):
        refused.add_metric([why], number)
    yield from (mails, sessions, last, refused)


def collect_blocklists() -> Iterator[Metric]:
    """What each blocklist said last, and whether it still answers."""
    listed = GaugeMetricFamily(
        "quazzar_blocklist_listed",
        "1 if the blocklist has this address or domain, 0 if it does not.",
        labels=["subject", "blocklist"],
    )
    trouble = GaugeMetricFamily(
        "quazzar_blocklist_unanswered",
        "Addresses and domains about which a blocklist did not answer at the last check, and why.",
        labels=["blocklist", "why"],
    )
    unanswered: Counter[tuple[str, str]] = Counter()
    for row in BlocklistEntry.objects.all():
        if row.listed is not None:
            listed.add_metric([row.subject, row.blocklist], row.listed)
        if row.trouble:
            unanswered[row.blocklist, row.trouble] += 1
    for labels, number in unanswered.items():
        trouble.add_metric([*labels], number)
    yield from (listed, trouble)


def examine() -> doctor.Finding:
    """Whether the records that mail depends on are published; the others make a warning when they break."""
    wrong = RecordCheck.objects.exclude(status__in=[Status.OK, Status.UNCHECKED]).select_related("domain")
    needed = wrong.filter(record__in=REQUIRED)
    # A record that was never right did not break: there is work to be done.
    if broken := list(needed.filter(was_ok=True, status__in=_WRONG).order_by("since")):
        return doctor.failed(_sentence(broken), _URGENT, since=broken[0].since)
    if silent := list(needed.filter(status=Status.ERROR).order_by("since")):
        return doctor.warning(_sentence(silent), _SEE, since=silent[0].since)
    if others := list(wrong.filter(told=True).order_by("since")):
        return doctor.warning(_sentence(others), _SEE, since=others[0].since)
    if missing := list(needed.order_by("since")):
        return doctor.warning(
            f"Not published yet: {_names(missing)}.",
            "Publish these records. The DNS records page shows what to enter.",
            since=missing[0].since,
        )
    checked = DomainCheck.objects.exclude(checked_at=None).count()
    if not checked:
        return doctor.idle("No domains have been checked yet.")
    return doctor.ok(f"The DNS records for mail are correct for {words.count(checked, 'domain')}.")


def _sentence(rows: Sequence[RecordCheck]) -> str:
    """What is wrong with the first of them, in the words of its verdict; the others by name."""
    first, *more = rows
    also = f" Also: {_names(more)}." if more else ""
    return f"{_name(first)}: {first.message or first.status}{also}"


def _names(rows: Sequence[RecordCheck]) -> str:
    named = ", ".join(map(_name, rows[:_MOST_NAMED]))
    return f"{named} and {len(rows) - _MOST_NAMED} more" if len(rows) > _MOST_NAMED else named


def _name(row: RecordCheck) -> str:
    return f"{row.record.replace('_', ' ').upper()} of {row.domain.name}"
