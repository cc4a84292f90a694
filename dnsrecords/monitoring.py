"""What the node reports about DNS records: metrics for /metrics, and the line in `manage.py doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Count
from prometheus_client.core import GaugeMetricFamily

from dnsrecords.models import DomainCheck, RecordCheck
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
_ADVICE = (
    "The DNS records page shows what to publish. Without them, other mail servers refuse your mail or "
    "mark it as spam."
)


def collect() -> Iterator[Metric]:
    """The number of records of each status."""
    family = GaugeMetricFamily(
        "quazzar_dns_records", "DNS records by the result of their last check.", labels=["status"]
    )
    counts = dict(RecordCheck.objects.values_list("status").annotate(count=Count("id")))
    for status in Status:
        family.add_metric([status.value], counts.get(status.value, 0))
    yield family


def examine() -> doctor.Finding:
    """Whether the records that mail depends on are published; the others make a warning when they break."""
    wrong = RecordCheck.objects.exclude(status__in=[Status.OK, Status.UNCHECKED]).select_related("domain")
    needed = wrong.filter(record__in=REQUIRED)
    # A record that was never right did not break: there is work to be done.
    if broken := list(needed.filter(was_ok=True, status__in=_WRONG).order_by("since")):
        return doctor.failed(_sentence(broken), _ADVICE, since=broken[0].since)
    if silent := list(needed.filter(status=Status.ERROR).order_by("since")):
        return doctor.warning(_sentence(silent), "Check the domain's name servers.", since=silent[0].since)
    if others := list(wrong.filter(told=True).order_by("since")):
        return doctor.warning(_sentence(others), _ADVICE, since=others[0].since)
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
