"""How a message of the relay went on in this mail server, for the message's own page."""

from __future__ import annotations

from django.urls import reverse

from mailboxes.maillog import finding, story
from mailrelay.models import Message
from mailrelay.onward import Onward


def of(message: Message) -> Onward | None:
    """The mail server's part of its journey; None if it did not go through this mail server."""
    journey = finding.journey_of(message.message_id) if message.message_id else None
    if journey is None:
        return None
    return Onward(
        story.steps(journey, journey.events.all()), reverse("admin:find_mail_journey", args=[journey.pk])
    )
