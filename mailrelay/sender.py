"""The public Python interface: ``Sender().send(Email(...))`` sends now, ``Sender().queue(...)`` durably."""

from __future__ import annotations

import time
from collections.abc import Iterable

from mailrelay.mail import emails, mime
from mailrelay.mail.emails import Attachment, Email
from mailrelay.models import Message
from mailrelay.queue import outbox
from mailrelay.relay import logins, target
from mailrelay.smtp import parts
from mailrelay.smtp.connection import Connection
from mailrelay.smtp.dialogue import Envelope, Job, Outcome
from quazzar.errors import DeliveryError, InvalidEmail, RelayNotConfigured

__all__ = ["Attachment", "DeliveryError", "Email", "InvalidEmail", "RelayNotConfigured", "Sender"]


class Sender:
    """Sends mail through the relay that the operator has set."""

    def send(self, email: Email, *, timeout: float = 30) -> str:
        """Send now, over a new connection and within ``timeout`` seconds; returns the Message-ID.

        Raises:
            RelayNotConfigured: no relay is set; the caller can fall back to logging.
            InvalidEmail: the mail cannot be sent as it is.
            DeliveryError: not everybody got it, or the server refused the login a short time ago. If ``refused`` is
                not empty and ``stage`` is recipient, those recipients were refused and all others have the mail.
            Unreadable: the relay password was sealed with a key that is gone.
        """
        relay = target.load()
        emails.check(email)
        recipients = emails.recipients(email)
        sender = target.default_from(relay.from_address, relay.target.username)
        message_id = mime.new_message_id(sender)
        rendered = mime.render(
            email, message_id=message_id, date=mime.now(), default_from=sender, default_name=relay.from_name
        )
        envelope = Envelope(rendered.sender, tuple(recipients), rendered.data, rendered.utf8)
        hold = logins.hold(relay)
        if hold:
            raise hold.error
        signing_in = logins.remembered(relay)
        connection = Connection(
            relay.target, deadline=time.monotonic() + timeout, signing_in=signing_in
        ).open()
        if relay.refusals:
            outbox.follow_relay()
        try:
            _raise_failure(_send(connection, envelope), len(recipients))
        finally:
            connection.close()
        return message_id

    def queue(self, email: Email, *, source: str = "api", idempotency_key: str | None = None) -> Message:
        """Store the mail durably, wake the worker, and return the row.

        The same ``idempotency_key`` within 24 hours returns the same row and sends no second mail.

        Raises:
            RelayNotConfigured: no relay is set.
            InvalidEmail: the mail cannot be sent as it is.
            IdempotencyConflict: the key was used for another mail.
        """
        return outbox.enqueue(email, source=source, idempotency_key=idempotency_key)

    def queue_many(self, batch: Iterable[Email], *, source: str = "api") -> list[Message]:
        """Store many mails at once, all or none.

        Raises:
            RelayNotConfigured: no relay is set.
            InvalidEmail: a mail cannot be sent as it is; none is stored.
        """
        return outbox.enqueue_many(batch, source=source)


def _send(connection: Connection, envelope: Envelope) -> Outcome:
    """Send one mail, in parts if its recipients are too many at once."""
    settled: dict[str, DeliveryError | None] = {}
    job: Job | None = parts.job(0, envelope, 0)
    while job is not None:
        try:
            outcome = connection.send(job.envelope)
        except DeliveryError as exc:
            outcome = Outcome(error=exc)
        newly, job = parts.after(job, outcome)
        settled |= newly
    refused = {recipient: error for recipient, error in settled.items() if error is not None}
    if outcome.error is not None and len(refused) == len(settled):
        return outcome
    return Outcome(refused=refused)


def _raise_failure(outcome: Outcome, recipients: int) -> None:
    if outcome.error is not None:
        raise outcome.error
    if outcome.refused:
        address, first = next(iter(outcome.refused.items()))
        sentences = {recipient: error.message for recipient, error in outcome.refused.items()}
        raise DeliveryError(
            f"{len(sentences)} of {recipients} recipients were refused; {address}: {first.message}",
            stage="recipient",
            smtp_code=first.smtp_code,
            permanent=all(error.permanent for error in outcome.refused.values()),
            refused=sentences,
        )
