"""What proofs say about this node, for doctor, Home and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

from dnsrecords.models import Proof, ProofSchedule
from quazzar.monitoring import doctor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

#: The name of the check.
CHECK = "proof"
_PAGE_SHOWS = "The page Delivery proofs shows where."


def examine() -> doctor.Finding:
    """The doctor's check: whether the last scheduled proof arrived as it should."""
    schedule = ProofSchedule.load()
    if schedule.every == ProofSchedule.Every.OFF:
        return doctor.idle(
            "No delivery proof is scheduled. You can schedule one on the page Delivery proofs."
        )
    if schedule.trouble:
        return doctor.warning(
            f"The scheduled proof cannot be sent: {schedule.trouble}", "Correct the schedule."
        )
    last = _last()
    if last is None:
        return doctor.ok("The first scheduled proof is on its way.")
    if last.state == Proof.State.FAILED:
        return doctor.failed(
            f"The last proof to {last.to} failed: {last.sentence}", _PAGE_SHOWS, since=schedule.failing_since
        )
    if last.state == Proof.State.UNCLEAR:
        return doctor.warning(f"The last proof to {last.to} says too little: {last.sentence}", _PAGE_SHOWS)
    return doctor.ok(f"The last proof to {last.to} arrived, and its sender was proven.")


def collect() -> Iterator[Metric]:
    """How the last scheduled proof ended, when, and when the next one is due; nothing without a schedule."""
    schedule = ProofSchedule.load()
    if schedule.every == ProofSchedule.Every.OFF:
        return
    if schedule.due_at is not None:
        due = GaugeMetricFamily(
            "quazzar_proof_due_timestamp_seconds",
            "When the next scheduled delivery proof is due, in Unix time.",
            labels=["way"],
        )
        due.add_metric([schedule.way], schedule.due_at.timestamp())
        yield due
    last = _last()
    if last is None or last.finished_at is None:
        return
    state = GaugeMetricFamily(
        "quazzar_proof_state",
        "1 for the state in which the last scheduled delivery proof ended, 0 for the others.",
        labels=["way", "state"],
    )
    for each in (Proof.State.PROVEN, Proof.State.UNCLEAR, Proof.State.FAILED):
        state.add_metric([last.way, each.value], last.state == each)
    at = GaugeMetricFamily(
        "quazzar_proof_last_timestamp_seconds",
        "When the last scheduled delivery proof ended, in Unix time.",
        labels=["way"],
    )
    at.add_metric([last.way], last.finished_at.timestamp())
    yield from (state, at)


def _last() -> Proof | None:
    """The last scheduled proof that has ended."""
    ended = Proof.objects.filter(scheduled=True).exclude(state__in=Proof.OPEN)
    return ended.only("state", "sentence", "to", "way", "finished_at").first()
