"""What the node shows of the queue: metrics, and the line in `manage.py doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, Metric

from mailrelay.models import NodeFinding, RelaySettings
from mailrelay.queue import counts, standing
from mailrelay.queue.standing import Standing, State
from quazzar import words
from quazzar.monitoring import doctor

#: Mail that has waited longer than this deserves a look.
_LONG = timedelta(minutes=15)


def collect() -> Iterator[Metric]:
    """The metrics: messages by status, and the age of the oldest one that waits."""
    numbers = counts.by_status()
    messages = GaugeMetricFamily(
        "quazzar_messages", "Messages in the queue table by status.", labels=["status"]
    )
    for status, number in numbers.items():
        messages.add_metric([status], number)
    yield messages
    age = GaugeMetricFamily(
        "quazzar_oldest_waiting_seconds",
        "Age of the oldest message that is not delivered yet; 0 when none waits.",
    )
    oldest = oldest_waiting()
    age.add_metric([], oldest.total_seconds() if oldest else 0)
    yield age
    found = standing.read()
    failing = found.at if found.state is State.FAILING else None
    yield GaugeMetricFamily(
        "quazzar_relay_failing_seconds",
        "For how long tests and deliveries have failed because of the relay; 0 while it works or was not tried.",
        value=(timezone.now() - failing).total_seconds() if failing else 0,
    )


def collect_findings() -> Iterator[Metric]:
    """What each check of the doctor found when the worker last ran it."""
    findings = GaugeMetricFamily(
        "quazzar_doctor", "What each check of the doctor found: 0 ok, 1 warning, 2 failed.", labels=["check"]
    )
    levels = list(doctor.Level)
    for name, level in NodeFinding.objects.values_list("check_name", "level"):
        findings.add_metric([name], levels.index(doctor.Level(level)))
    yield findings


def oldest_waiting() -> timedelta | None:
    """How long the oldest undelivered message has waited; None if none waits."""
    first = counts.oldest_waiting()
    return None if first is None else timezone.now() - first


def examine() -> doctor.Finding:
    """The doctor's check: whether mail can leave, and does."""
    row = RelaySettings.load()
    if not row.configured:
        return doctor.warning(
            "No relay is configured, so alerts and reports are only logged.",
            "Open Mail Relay and pick a provider.",
        )
    if row.password is not None and not row.password.readable:
        return doctor.failed(
            "The relay password cannot be read with this key file.", "Enter the password again."
        )
    waited = oldest_waiting()
    if waited is not None and waited > _LONG:
        return doctor.warning(
            f"Mail has been waiting for {words.span(waited)} to leave through {row}.",
            "Look at its last error in the queue.",
        )
    match standing.read():
        case Standing(State.FAILING, datetime() as at) as found:
            return doctor.failed(
                f"Mail has not left through {row} since {at:%Y-%m-%d %H:%M} UTC: {found.place} fails. {found.error}",
                "Send a test mail on the Relay settings tab; it says what to do.",
            )
        case Standing(State.WORKS, datetime() as at):
            return doctor.ok(
                f"Mail leaves through {row}; the last one {words.span(timezone.now() - at)} ago."
            )
    return doctor.ok(f"{row} is set, and was not tested yet.")
