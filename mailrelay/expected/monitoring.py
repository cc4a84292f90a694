"""What the doctor and the metrics report about expected reports."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count
from prometheus_client.core import GaugeMetricFamily, Metric

from mailrelay.expected import nodezone
from mailrelay.models import ExpectedReport
from quazzar import words
from quazzar.monitoring import doctor

State = ExpectedReport.State
#: How many names one sentence takes.
_NAMED = 3


def examine() -> doctor.Finding:
    """The doctor's check: whether every watched report came, and says that all went well."""
    watched = ExpectedReport.objects.filter(state__in=ExpectedReport.WATCHED)
    wrong = list(watched.filter(state__in=[State.LATE, State.FAILED]).order_by("since")[:50])
    if not wrong:
        number = watched.count()
        if not number:
            return doctor.idle("No reports are being watched.")
        return doctor.ok(f"{words.count(number, 'report is', 'reports are')} watched; none is late.")
    zone = nodezone.zone()
    told = [f"{row.name} {_what(row)} {words.minute(row.since, zone)}" for row in wrong[:_NAMED]]
    more = f"; and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    return doctor.failed(
        f"{'; '.join(told)}{more}.",
        "On the sender's host, check whether the job ran and whether it sent its report.",
        since=wrong[0].since,
    )


def _what(row: ExpectedReport) -> str:
    return "has been late since" if row.state == State.LATE else "failed at"


def collect() -> Iterator[Metric]:
    """How many watched reports there are in each state."""
    metric = GaugeMetricFamily("quazzar_expected_reports", "Watched reports by state.", labels=["state"])
    rows = ExpectedReport.objects.filter(state__in=ExpectedReport.WATCHED).order_by()
    counts = dict(rows.values_list("state").annotate(Count("id")))
    for state in ExpectedReport.WATCHED:
        metric.add_metric([state], counts.get(state, 0))
    yield metric
