"""Proofs that are sent by themselves, every day or week; a failing one is an alert."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from dnsrecords.models import Proof, ProofSchedule
from dnsrecords.proof import starting
from dnsrecords.proof.standing import CHECK
from dnsrecords.proof.starting import Wish
from mailrelay.notices.notify import notify_operator
from quazzar import doorbell
from quazzar.access import audit
from quazzar.errors import InvalidFields, QuazzarError
from quazzar.monitoring import findings

if TYPE_CHECKING:
    from dnsrecords.proof.judging.verdict import Verdict

logger = logging.getLogger(__name__)

Every = ProofSchedule.Every
PERIODS = {Every.DAY: timedelta(days=1), Every.WEEK: timedelta(days=7)}
#: A mail that could not even be started is tried again after this.
_AGAIN = timedelta(hours=1)
_KEPT_FOR, _KEPT = timedelta(days=400), 1_000


def save(every: str, wish: Wish) -> ProofSchedule:
    """Set the schedule; the first proof is sent at once.

    Raises:
        InvalidFields: a proof cannot be sent like this; nothing is saved.
    """
    if every not in Every.values:
        raise InvalidFields({"every": ["Choose off, day or week."]})
    if every != Every.OFF:
        if wish.inbox is None:
            raise InvalidFields(
                {"inbox": ["Choose an inbox: nobody pastes the header of a scheduled proof."]}
            )
        starting.check(wish)
    values = {
        "every": every,
        "way": wish.way,
        "from_address": wish.from_address,
        "inbox_id": wish.inbox,
        "to": wish.to,
        "due_at": None if every == Every.OFF else timezone.now(),
        "failing_since": None,
        "trouble": "",
    }
    if every == Every.OFF:
        values = {"every": every, "due_at": None, "failing_since": None, "trouble": ""}
    with transaction.atomic():
        row, _ = ProofSchedule.objects.update_or_create(pk=1, defaults=values)
        audit.record("proof.scheduled", every)
        transaction.on_commit(lambda: doorbell.ring(starting.CARRY_ON))
    findings.look({CHECK})
    return row


def start_due() -> Proof | None:
    """Send the scheduled proof if it is time."""
    row = ProofSchedule.objects.filter(pk=1, due_at__lte=timezone.now()).exclude(every=Every.OFF).first()
    if row is None:
        return None
    # Of two workers, the one that moves the time on sends.
    due = timezone.now() + PERIODS[Every(row.every)]
    if not ProofSchedule.objects.filter(pk=1, due_at=row.due_at).update(due_at=due):
        return None
    try:
        proof = starting.start(Wish(row.way, row.from_address, row.inbox_id, row.to), scheduled=True)
    except QuazzarError as exc:
        fields: dict[str, list[str]] = getattr(exc, "fields", {})
        sentence = " ".join(text for texts in fields.values() for text in texts) or exc.message
        ProofSchedule.objects.filter(pk=1).update(trouble=sentence[:500], due_at=timezone.now() + _AGAIN)
        logger.warning("the scheduled proof was not sent: %s", sentence)
        return None
    ProofSchedule.objects.filter(pk=1).update(trouble="")
    return proof


def note(proof: Proof, verdict: Verdict) -> None:
    """A scheduled proof has ended: mail the operator if that is news. Call it in the transaction that ends it."""
    if not proof.scheduled:
        return
    rows = ProofSchedule.objects.filter(pk=1)
    if proof.state == Proof.State.FAILED:
        subject = "[Proof] A scheduled proof failed"
        is_news = rows.filter(failing_since=None).update(failing_since=timezone.now())
    else:
        subject = "[Proof] The scheduled proof succeeds again"
        is_news = rows.exclude(failing_since=None).update(failing_since=None)
    if is_news:
        notify_operator(subject, _text(proof, verdict))
    transaction.on_commit(lambda: findings.look({CHECK}))


def _text(proof: Proof, verdict: Verdict) -> str:
    lines = [f"A mail was sent from {proof.from_address} to {proof.to}.", "", verdict.sentence]
    if verdict.advice:
        lines.append(verdict.advice)
    return (
        "\n".join([*lines, "", "The console's page Delivery proofs shows the whole way of the mail."]) + "\n"
    )


def purge() -> int:
    """Remove what is kept no longer; returns how many proofs that were."""
    old = Proof.objects.filter(created_at__lt=timezone.now() - _KEPT_FOR).exclude(state__in=Proof.OPEN)
    number, _ = old.delete()
    if ids := list(Proof.objects.values_list("id", flat=True)[_KEPT : _KEPT + 1]):
        number += Proof.objects.filter(id__lte=ids[0]).delete()[0]
    return number
