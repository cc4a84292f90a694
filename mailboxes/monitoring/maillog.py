"""Whether the stack's logs are followed, and what they say, in numbers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from mailboxes.models import LogPosition, Stack
from quazzar import words
from quazzar.monitoring import doctor

#: Follower signs every quarter of a minute; its task starts it again every twenty seconds.
_STILL = timedelta(minutes=3)
#: A stack that starts has no log yet.
_RUNNING = (Stack.Phase.HEALTHY, Stack.Phase.DEGRADED)


def examine() -> doctor.Finding:
    """Whether the logs are followed now."""
    if not settings.QUAZZAR_MAIL_LOG_DAYS:
        return doctor.idle("The mail server's logs are not followed (QUAZZAR_MAIL_LOG_DAYS is 0).")
    stack = Stack.load()
    if not stack.enabled:
        return doctor.idle("The mail server is not enabled.")
    if stack.phase not in _RUNNING:
        return doctor.idle("The mail server is not running.")
    rows = list(LogPosition.objects.defer("recent"))
    now = timezone.now()
    if not rows:
        return doctor.warning("The mail server's logs have not been followed yet.", _ADVICE)
    oldest = min(row.looked_at for row in rows)
    if now - oldest > _STILL:
        return doctor.failed(
            f"Nobody has followed the mail server's logs for {words.span(now - oldest)}.",
            _ADVICE,
            since=oldest,
        )
    if problems := [f"{row.service.title()}: {row.problem}" for row in rows if row.problem]:
        return doctor.failed(f"Not every log is followed. {' '.join(problems)}", "See whether Docker runs.")
    return doctor.ok(f"Followed until {words.span(now - oldest)} ago.")


_ADVICE = "See whether the worker and beat run, and look for “mail log” in Quazzar's own log."


def collect() -> Iterator[Metric]:
    """Lines and events of each log, and how far behind the follower is."""
    rows = list(LogPosition.objects.defer("recent"))
    if not rows:
        return
    lines = CounterMetricFamily(
        "quazzar_maillog_lines", "Log lines of the mail server that were read.", labels=["service"]
    )
    events = CounterMetricFamily(
        "quazzar_maillog_events", "What these lines said about mails and clients.", labels=["service", "kind"]
    )
    lag = GaugeMetricFamily(
        "quazzar_maillog_lag_seconds", "Between the last line and its being stored.", labels=["service"]
    )
    silent = GaugeMetricFamily(
        "quazzar_maillog_looked_seconds", "Since the follower last looked.", labels=["service"]
    )
    now = timezone.now()
    for row in rows:
        lines.add_metric([row.service], row.lines)
        lag.add_metric([row.service], row.lag)
        silent.add_metric([row.service], max(0.0, (now - row.looked_at).total_seconds()))
        for kind, count in sorted(row.counts.items()):
            events.add_metric([row.service, kind], count)
    yield from (lines, events, lag, silent)
    refused = CounterMetricFamily(
        "quazzar_maillog_refused", "Mails and recipients that were refused at the door."
    )
    refused.add_metric([], sum(row.counts.get(kind, 0) for row in rows for kind in ("refused", "put_off")))
    yield refused
