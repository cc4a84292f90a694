"""What the node shows of the queue: metrics, and the line in `manage.py doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from mailrelay.models import RelaySettings
from mailrelay.queue import counts, standing
from mailrelay.queue.standing import State
from mailrelay.relay import authorities
from quazzar import doorbell, words
from quazzar.home import statusline
from quazzar.models import Finding
from quazzar.monitoring import doctor, findings

#: The name of the check.
CHECK = "relay"


def collect() -> Iterator[Metric]:
    """The metrics: messages by status, and the age of the oldest one that waits."""
    numbers = counts.by_status()
    messages = GaugeMetricFamily(
        "quazzar_messages", "Messages in the queue table by status.", labels=["status"]
    )
    for status, number in numbers.items():
        messages.add_metric([status], number)
    yield messages
    feedback = CounterMetricFamily(
        "quazzar_feedback", "Bounces and complaints about sent messages, by recipient.", labels=["kind"]
    )
    for kind, number in counts.reported().items():
        feedback.add_metric([kind], number)
    yield feedback
    age = GaugeMetricFamily(
        "quazzar_oldest_waiting_seconds",
        "Age of the oldest message not delivered yet; 0 if none is waiting.",
    )
    oldest = oldest_waiting()
    age.add_metric([], oldest.total_seconds() if oldest else 0)
    yield age
    found = standing.read()
    failing = found.at if found.state is State.FAILING else None
    yield GaugeMetricFamily(
        "quazzar_relay_failing_seconds",
        "How long tests and deliveries have been failing because of the relay; 0 while it works or was "
        "never tried.",
        value=(timezone.now() - failing).total_seconds() if failing else 0,
    )


def oldest_waiting() -> timedelta | None:
    """How long the oldest undelivered message has waited; None if none waits."""
    first = counts.oldest_waiting()
    return None if first is None else timezone.now() - first


def examine_authorities() -> doctor.Finding:
    """The doctor's check of the certificate authorities that may vouch for the relay."""
    found = authorities.read()
    if found.problem:
        judge = doctor.failed if found.lost else doctor.warning
        trusted = f" This node trusts {words.count(found.count, 'authority', 'authorities')}."
        return judge(found.problem + trusted, found.advice)
    if not found.count:
        return doctor.warning(
            "This node trusts no certificate authority, so it cannot reach any relay over TLS.",
            "Install the package ca-certificates.",
        )
    return doctor.ok(
        f"{words.count(found.count, 'certificate authority', 'certificate authorities')} trusted for the "
        "relay's certificate."
    )


def examine() -> doctor.Finding:
    """The doctor's check: whether mail can leave, and does, as the latest delivery or test showed."""
    row = RelaySettings.load()
    if not row.configured:
        return doctor.warning(
            "No relay is set up. Alerts and reports are written to the log, not mailed.",
            "Choose a provider in the Relay settings.",
        )
    if row.password is not None and not row.password.readable:
        return doctor.failed(
            "This key file cannot decrypt the relay password.",
            "Enter the password again, or put the old key file back.",
        )
    found = standing.read()
    if found.state is State.FAILING:
        return doctor.failed(
            f"Mail cannot be sent through {row}: {found.trouble}. {found.error}",
            "Send a test mail in the Relay settings: the result tells you what to do.",
            since=found.at,
        )
    works = found.state is State.WORKS
    oldest, now = counts.oldest_waiting(), timezone.now()
    if oldest is not None and statusline.is_late(oldest, found.at if works else None, now):
        return doctor.warning(
            f"Mail has been waiting {words.span(now - oldest)} to be sent through {row}.",
            "Open the oldest waiting message and read its last error.",
        )
    if works and found.at:
        return doctor.ok(
            f"Mail is sent through {row}. Last delivery {words.span(timezone.now() - found.at)} ago."
        )
    return doctor.warning(
        f"No mail has been sent through {row} yet.", "Send a test mail in the Relay settings."
    )


def look_again(**_: Any) -> None:
    """Check the relay again, because something was delivered, tested or changed."""
    findings.look({CHECK})


def follow_settings(**_: Any) -> None:
    """Check the relay again, and soon what depends on it; connected to ``relay_changed``."""
    look_again()
    doorbell.look_soon()


def follow(sent: int) -> None:
    """Check the relay again after a drain that sent so many messages, if that may have changed its state."""
    if not sent or not Finding.objects.filter(check_name=CHECK, level=doctor.Level.OK).exists():
        look_again()
