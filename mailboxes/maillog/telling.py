"""Tells the relay's messages what the mail server's log says of them: what Postfix could not deliver has bounced.

So a message that left through this mail server needs no inbox for the bounces that Postfix itself writes. Nobody
outside can write into its log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from mailboxes.maillog.daemons.event import Event, Kind
from mailboxes.models import Journey, MailEvent
from mailrelay.bounces import outcomes
from mailrelay.bounces.outcomes import Outcome
from mailrelay.feedback import recording
from mailrelay.models import Feedback, Message

#: What may be the last that is known of a recipient.
_ENDS = (Kind.DEFERRED, Kind.DELIVERED, Kind.BOUNCED)


def ended(found: Sequence[tuple[Journey, datetime, Event]]) -> None:
    """Stores the bounces of those mails that are messages of the relay. Call it when their events are stored.

    Args:
        found: events of the kinds bounced, for one recipient, and expired, for all whom the mail has not reached.
    """
    ids = {journey.message_id for journey, _, _ in found if journey.message_id}
    if not ids:
        return
    rows = Message.objects.defer("body", "history").filter(message_id__in=ids).order_by("pk")
    messages = {row.message_id: row for row in rows}
    for journey, at, event in found:
        if (message := messages.get(journey.message_id)) is None:
            continue
        known = {str(one["address"]).lower() for one in message.recipients}
        told = _given_up(journey) if event.kind == Kind.EXPIRED else [_of(event)]
        # A stranger who knows the Message-ID may send another mail with it, to somebody else.
        ours = [outcome for outcome in told if outcome.recipient in known]
        recording.record(message, ours, source=Feedback.LOG, reporter="Postfix", proven=True, at=at)


def _of(event: Event) -> Outcome:
    recipient = str(event.data.get("for") or event.recipients[0])
    return outcomes.bounced(recipient, event.text, status=event.code, host=event.remote)


def _given_up(journey: Journey) -> Iterator[Outcome]:
    """Those whom the mail could not reach in time, with the words of the last attempt."""
    reports = journey.facts.get("reports", ())
    last: dict[str, MailEvent] = {}
    for row in journey.events.filter(kind__in=_ENDS).exclude(queue_id__in=reports).order_by("at", "pk"):
        last[str((row.data or {}).get("for") or row.recipient)] = row
    for recipient, row in last.items():
        if row.kind == Kind.DEFERRED:
            yield outcomes.bounced(recipient, row.text, status=row.code, host=row.remote)
