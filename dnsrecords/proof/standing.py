"""What proofs say about this node, for doctor, Home and metrics."""

from __future__ import annotations

from dnsrecords.models import Proof, ProofSchedule
from quazzar.monitoring import doctor

#: The name of the check.
CHECK = "proof"
_PAGE_SHOWS = "The page Delivery proofs shows where."


def examine() -> doctor.Finding:
    """The doctor's check: whether the last scheduled proof arrived as it should."""
    schedule = ProofSchedule.load()
    if schedule.every == ProofSchedule.Every.OFF:
        return doctor.idle("No proof is sent by itself. You can schedule one on the page Delivery proofs.")
    if schedule.trouble:
        return doctor.warning(
            f"The scheduled proof cannot be sent: {schedule.trouble}", "Correct the schedule."
        )
    last = (
        Proof.objects.filter(scheduled=True)
        .exclude(state__in=Proof.OPEN)
        .only("state", "sentence", "to")
        .first()
    )
    if last is None:
        return doctor.ok("The first scheduled proof is on its way.")
    if last.state == Proof.State.FAILED:
        return doctor.failed(
            f"The last proof to {last.to} failed: {last.sentence}", _PAGE_SHOWS, since=schedule.failing_since
        )
    if last.state == Proof.State.UNCLEAR:
        return doctor.warning(f"The last proof to {last.to} says too little: {last.sentence}", _PAGE_SHOWS)
    return doctor.ok(f"The last proof to {last.to} arrived, and its sender was proven.")
