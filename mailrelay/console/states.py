"""The states of messages and recipients as badges."""

from __future__ import annotations

from typing import Any

from django.utils.safestring import SafeString

from mailrelay.models import Message
from quazzar.console import shown

Status = Message.Status
_TONES = {
    Status.QUEUED: "wait",
    Status.SENDING: "busy",
    Status.SENT: "ok",
    Status.RETRYING: "wait",
    Status.FAILED: "bad",
}
_RECIPIENTS = {"pending": ("Waiting", "wait"), "sent": ("Sent", "ok"), "failed": ("Refused", "bad")}


def message_badge(message: Message) -> SafeString:
    """A message's status as a badge."""
    status = Status(message.status)
    return shown.badge(status.label, _TONES[status])


def recipient_badge(recipient: dict[str, Any]) -> SafeString:
    """The state of one of a message's ``recipients`` as a badge."""
    if recipient.get("status") == "failed" and not recipient.get("code"):
        return shown.badge("Failed", "bad")  # given up, without a word from the server about this recipient
    return shown.badge(*_RECIPIENTS.get(recipient.get("status", ""), ("Unknown", "off")))
