"""Mail to people about this node; where that cannot be, a line in the log that says why."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from mailrelay.mail.emails import Email
from mailrelay.models import Message, RelaySettings
from mailrelay.sender import Sender
from quazzar.errors import InvalidEmail, RelayNotConfigured

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Notification:
    """What became of a notice.

    Attributes:
        message: its row in the queue; None when it was only logged.
    """

    delivery: Literal["queued", "logged"]
    message: Message | None = None


def notify_operator(subject: str, text: str) -> Notification:
    """Mail the alert recipients, or log the subject and why it could not be mailed.

    Inside a transaction the mail is queued with what else the transaction writes, or not at all.
    """
    return notify(RelaySettings.load().alert_recipients, subject, text)


def notify(recipients: Sequence[str], subject: str, text: str) -> Notification:
    """Mail these people, or log, as ``notify_operator``."""

    def queue() -> Message:
        headers = {"Auto-Submitted": "auto-generated"}
        email = Email(to=[*recipients], subject=subject, text=text, headers=headers)
        return Sender().queue(email, source=Message.Source.ALERT)

    return mail_or_log("alert", subject, recipients, queue)


def mail_or_log(
    kind: Literal["alert", "backup"], subject: str, recipients: Sequence[str], queue: Callable[[], Message]
) -> Notification:
    """Call ``queue``, which queues the mail; log the subject as a warning when there is nobody to mail, no relay, or an
    address that cannot be mailed."""
    if not recipients:
        reason = f"no recipient is set for {kind}s"
    else:
        try:
            return Notification("queued", queue())
        except RelayNotConfigured:
            reason = "no relay is configured"
        except InvalidEmail as exc:
            reason = exc.message
    logger.warning("%s logged, not mailed: %s (%s)", kind, subject, reason)
    return Notification("logged")
