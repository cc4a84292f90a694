"""What the node reports about DNS records: metrics for /metrics, and the line in `manage.py doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Count
from prometheus_client.core import GaugeMetricFamily

from dnsrecords.models import RecordCheck
from dnsrecords.verdicts import Status
from quazzar.monitoring import doctor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric


def collect() -> Iterator[Metric]:
    """The number of records of each status."""
    family = GaugeMetricFamily(
        "quazzar_dns_records", "DNS records by how they were last found.", labels=["status"]
    )
    counts = dict(RecordCheck.objects.values_list("status").annotate(count=Count("id")))
    for status in Status:
        family.add_metric([status.value], counts.get(status.value, 0))
    yield family


def examine() -> doctor.Finding:
    """A warning if a record that was right is broken now."""
    broken = RecordCheck.objects.filter(told=True).select_related("domain").order_by("domain__name")
    if rows := list(broken[:3]):
        names = ", ".join(f"{row.record} of {row.domain.name}" for row in rows)
        more = broken.count() - len(rows)
        also = f" and {more} more" if more else ""
        return doctor.warning(
            f"DNS records that were right are broken: {names}{also}.", "Look at the DNS tab."
        )
    wrong = RecordCheck.objects.filter(status__in=[Status.MISSING, Status.MISMATCH]).count()
    return doctor.ok(
        f"No DNS record broke; {wrong} still to be published." if wrong else "No DNS record broke."
    )
