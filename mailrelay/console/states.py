"""Messages and recipients in words: badges, who gets a mail, why it is not delivered yet."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.utils.safestring import SafeString

from mailrelay.models import Feedback, Message
from mailrelay.queue.byhand import CANCELLED
from quazzar import words
from quazzar.console import shown

Status, Kind = Message.Status, Feedback.Kind
_FEEDBACK = {Kind.DELIVERED: "ok", Kind.DELAYED: "wait", Kind.BOUNCED: "bad", Kind.COMPLAINED: "bad"}
_TONES = {
    Status.QUEUED: "wait",
    Status.SENDING: "busy",
    Status.SENT: "ok",
    Status.RETRYING: "wait",
    Status.FAILED: "bad",
}
_RECIPIENTS = {
    "pending": ("Waiting", "wait"),
    "sent": ("Sent", "ok"),
    "failed": ("Refused", "bad"),
    "suppressed": ("Suppressed", "off"),
}
#: The queue puts the recipient in front of the server's words.
_ADDRESS = re.compile(r"^\S+@\S+: ")


def message_badge(message: Message, returned: str = "") -> SafeString:
    """A message's status as a badge; ``returned`` is the worst that came back about it."""
    status = Status(message.status)
    if returned:
        return shown.badge(Kind(returned).label, "bad")
    if status == Status.FAILED and (message.last_error or {}).get("stage") == CANCELLED:
        return shown.badge("Cancelled", "off")
    return shown.badge(status.label, _TONES[status])


def recipient_badge(recipient: dict[str, Any]) -> SafeString:
    """The state of one of a message's ``recipients`` as a badge."""
    if came_back := recipient.get("feedback"):
        return shown.badge(Kind(came_back.kind).label, _FEEDBACK[Kind(came_back.kind)])
    if recipient.get("status") == "failed" and not recipient.get("code"):
        return shown.badge("Failed", "bad")  # given up, without a word from the server about this recipient
    return shown.badge(*_RECIPIENTS.get(recipient.get("status", ""), ("Unknown", "off")))


def receivers(message: Message) -> str:
    """Who gets it: the first recipient, and the number of the others."""
    first, *more = message.to or [recipient["address"] for recipient in message.recipients] or ["nobody"]
    return f"to {first} and {words.count(len(more), 'other')}" if more else f"to {first}"


def reason(message: Message) -> str:
    """Why a message is not delivered, and when it is tried again; empty if all is well."""
    if message.status not in (*Message.PENDING, Status.FAILED) or not message.last_error:
        return ""
    sentence = str(message.last_error.get("message", "")).strip()
    if len(message.to) == 1:  # the list shows the address beside it
        sentence = _ADDRESS.sub("", sentence)
    at = message.next_attempt_at
    if message.status == Status.FAILED or at is None:
        return sentence
    away = at - timezone.now()
    return f"Next attempt {words.distance(away) if away > timedelta() else 'now'}. {sentence}"


def answer(recipient: dict[str, Any]) -> str:
    """The server's words about a recipient, with its code once."""
    said, code = str(recipient.get("message") or ""), recipient.get("code")
    said = said.removeprefix("The server answered ")
    return said if code is None or str(code) in said else f"{code} {said}".strip()
