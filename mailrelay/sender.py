"""The public Python interface: ``Sender().send(Email(...))`` now, ``Sender().queue(...)`` durably."""

from __future__ import annotations

import time
from collections.abc import Iterable

from mailrelay.mail import emails, mime
from mailrelay.mail.emails import Attachment, Email
from mailrelay.models import Message
from mailrelay.queue import outbox
from mailrelay.relay import target as relaytarget
from mailrelay.smtp.connection import Connection
from mailrelay.smtp.dialogue import Envelope, Outcome
from quazzar.errors import DeliveryError, InvalidEmail, RelayNotConfigured

__all__ = ["Attachment", "DeliveryError", "Email", "InvalidEmail", "RelayNotConfigured", "Sender"]


class Sender:
    """Sends mail through the relay that the operator has set."""

    def send(self, email: Email, *, timeout: float = 30) -> str:
        """Sends now, on a connection of its own, within ``timeout`` seconds, and returns the Message-ID.

        Raises:
            RelayNotConfigured: no relay is set; the caller can fall back to logging.
            InvalidEmail: the mail cannot be sent as it is.
            DeliveryError: it did not reach everybody. ``refused`` names the recipients that the server refused;
                when it is not empty and ``stage`` is recipient, the others have the mail.
            Unreadable: the relay password was sealed with a key that is gone.
        """
        relay = relaytarget.load()
        emails.check(email)
        recipients = emails.recipients(email)
        sender = relaytarget.default_from(relay.from_address, relay.target.username)
        rendered = mime.render(
            email, message_id=(message_id := mime.new_message_id(sender)), date=mime.now(), default_from=sender,
            default_name=relay.from_name,
        )  # fmt: skip
        envelope = Envelope(rendered.sender, tuple(recipients), rendered.data, rendered.utf8)
        connection = Connection(relay.target, deadline=time.monotonic() + timeout).open()
        try:
            _raise_failure(connection.send(envelope), len(recipients))
        finally:
            connection.close()
        return message_id

    def queue(self, email: Email, *, source: str = "api", idempotency_key: str | None = None) -> Message:
        """Stores the mail durably and rings the worker; returns the row. The same key within 24 h gives the same
        row and no second mail.

        Raises:
            RelayNotConfigured: no relay is set.
            InvalidEmail: the mail cannot be sent as it is.
            IdempotencyConflict: the key was used for another mail.
        """
        return outbox.enqueue(email, source=source, idempotency_key=idempotency_key)

    def queue_many(self, batch: Iterable[Email], *, source: str = "api") -> list[Message]:
        """Stores many mails at once, all or none; raises as ``queue``."""
        return outbox.enqueue_many(batch, source=source)


def _raise_failure(outcome: Outcome, recipients: int) -> None:
    if outcome.error is not None:
        raise outcome.error
    if outcome.refused:
        address, first = next(iter(outcome.refused.items()))
        sentences = {one: error.message for one, error in outcome.refused.items()}
        raise DeliveryError(
            f"{len(sentences)} of {recipients} recipients were refused; {address}: {first.message}",
            stage="recipient",
            smtp_code=first.smtp_code,
            permanent=all(error.permanent for error in outcome.refused.values()),
            refused=sentences,
        )
