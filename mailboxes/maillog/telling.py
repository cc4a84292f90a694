"""Tells the relay's messages what the mail server's log says of them: what Postfix could not deliver has bounced.

So a message that left through this mail server needs no inbox for the bounces that Postfix itself writes. Nobody
outside can write into its log.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailboxes.maillog.daemons.event import Event
from mailboxes.models import Journey
from mailrelay.bounces import outcomes
from mailrelay.feedback import recording
from mailrelay.models import Feedback, Message


def bounced(found: Sequence[tuple[Journey, datetime, Event]]) -> None:
    """Stores the bounces of those mails that are messages of the relay."""
    ids = {journey.message_id for journey, _, _ in found if journey.message_id}
    if not ids:
        return
    rows = Message.objects.defer("body", "history").filter(message_id__in=ids).order_by("pk")
    messages = {row.message_id: row for row in rows}
    for journey, at, event in found:
        message = messages.get(journey.message_id)
        recipient = str(event.data.get("for") or event.recipients[0])
        # A stranger who knows the Message-ID may send another mail with it, to somebody else.
        if message and recipient.lower() in {str(one["address"]).lower() for one in message.recipients}:
            outcome = outcomes.bounced(recipient, event.text, status=event.code, host=event.remote)
            recording.record(message, [outcome], source=Feedback.LOG, reporter="Postfix", proven=True, at=at)
