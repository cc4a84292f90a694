"""Mail to people about this node; where that cannot be, a line in the log that says why."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from mailrelay.mail.emails import Email
from mailrelay.models import Message, RelaySettings
from mailrelay.notices import origin
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
    return notify(subject, text)


def notify(subject: str, text: str, recipients: Sequence[str] | None = None) -> Notification:
    """Mail these people (the alert recipients, if none are named), or log, as ``notify_operator``."""

    def queue(to: Sequence[str]) -> Message:
        headers = {"Auto-Submitted": "auto-generated"}
        # Other people do not need the console's address.
        body = origin.signed(text, origin.here(), with_url=recipients is None)
        return Sender().queue(Email(to=[*to], subject=subject, text=body, headers=headers), source="alert")

    return mail_or_log("alert", subject, queue, recipients)


def mail_or_log(
    kind: Literal["alert", "backup"],
    subject: str,
    queue: Callable[[Sequence[str]], Message],
    recipients: Sequence[str] | None = None,
) -> Notification:
    """Call ``queue`` with the recipients that are set for this kind of notice, or with those given.

    Logs the subject as a warning instead when there is no relay, nobody to mail, or an address that cannot be mailed.
    """
    relay = RelaySettings.load()
    if recipients is None:
        recipients = relay.alert_recipients if kind == "alert" else relay.backup_recipients
    if not relay.configured:
        reason = "no relay is configured"
    elif not recipients:
        reason = f"no recipient is set for {kind}s"
    else:
        try:
            return Notification("queued", queue(recipients))
        except (RelayNotConfigured, InvalidEmail) as exc:
            reason = exc.message
    logger.warning("%s logged, not mailed: %s (%s)", kind, subject, reason)
    return Notification("logged")
