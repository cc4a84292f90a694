"""Messages in the queue, and how many there were."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from mailrelay.history import final_words
from quazzar import words
from quazzar.sealing.fields import SealedBinaryField


class Message(models.Model):
    """One mail in the queue, with the state of each of its envelope recipients."""

    class Status(models.TextChoices):
        """How far the message has got."""

        QUEUED = "queued", "Queued"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        RETRYING = "retrying", "Retrying"
        FAILED = "failed", "Failed"

    class Source(models.TextChoices):
        """What put the message into the queue."""

        API = "api", "API"
        ALERT = "alert", "Alert"
        BACKUP = "backup", "Backup"
        DJANGO = "django", "Django"
        SENDMAIL = "sendmail", "sendmail"
        TEST = "test", "Test"

    #: Statuses that still wait to be delivered.
    PENDING: ClassVar[tuple[str, ...]] = (Status.QUEUED, Status.RETRYING)

    status = models.CharField(max_length=8, choices=Status, default=Status.QUEUED)
    source = models.CharField(max_length=8, choices=Source, default=Source.API)
    attempts = models.PositiveIntegerField(default=0)
    #: When it is due; null once it is sent or failed.
    next_attempt_at = models.DateTimeField(null=True, default=timezone.now)
    #: The drain that has claimed it, and until when: the lease of a killed worker runs out.
    lease_owner = models.CharField(max_length=120, blank=True, default="")
    lease_until = models.DateTimeField(null=True)
    message_id = models.CharField("Message-ID", max_length=255)
    envelope_sender = models.CharField(max_length=320, blank=True, default="")
    #: Header recipients as they are shown.
    to = models.JSONField(default=list)
    #: Envelope recipients: ``[{"address", "status": pending|sent|failed|suppressed, "code", "message"}]``.
    recipients = models.JSONField(default=list)
    #: The envelope recipient in lower case, by which the message is found; null if there are several (those are in
    #: MessageAddress). Most mail has one, and a column costs less than a row of another table.
    only_recipient = models.CharField(max_length=320, null=True, default=None, editable=False)  # noqa: DJ001
    subject = models.TextField(blank=True, default="")
    #: The mail itself (see ``mail/payload.py``); null once its retention is over.
    body = SealedBinaryField(context="mailrelay.message.body", null=True)
    #: ``{"stage", "code", "message", "at"}`` of the latest failure, or null; ``at`` is its time (ISO 8601), which rows
    #: of 0.3.0 lack. ``"keys"``: the keys that could not open it.
    last_error = models.JSONField(null=True, default=None)
    #: What each attempt came to, and who retried or cancelled it, oldest first (see ``mailrelay/history.py``).
    history = models.JSONField(default=list)
    #: What must be mended before it is tried again: ``resolve``, ``connect``, ``tls`` or ``auth`` (the stage at which
    #: the relay failed), ``password`` or ``key`` (no key opens the relay password, or the mail). Null: nothing.
    waits_for = models.CharField(max_length=8, null=True, default=None, editable=False)  # noqa: DJ001
    #: Who handed it in: an actor of the audit log, or ``sendmail:NAME`` for a local user. Empty in rows from before
    #: 0.4.
    submitted_by = models.CharField(max_length=300, blank=True, default="")
    #: The same key within 24 hours means the same row; null once that time is over.
    idempotency_key = models.CharField(max_length=255, null=True, default=None)  # noqa: DJ001
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, default=None)

    class Meta:
        ordering = ["-id"]
        permissions = [("read_message", "Can read the content of messages")]
        constraints = [
            # Partial, because most mail has no key and should not pay for an index entry.
            models.UniqueConstraint(
                fields=["idempotency_key"],
                condition=models.Q(idempotency_key__isnull=False),
                name="message_idempotency_key",
            )
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at", "id"],
                name="message_due",
                condition=models.Q(status__in=["queued", "retrying"]),
            ),
            models.Index(fields=["status", "-id"], name="message_status"),
            # For the retention of bodies; with none, no message has an entry.
            models.Index(
                fields=["sent_at"],
                name="message_body",
                condition=models.Q(sent_at__isnull=False, body__isnull=False),
            ),
            models.Index(
                fields=["waits_for", "id"],
                name="message_waits_for",
                condition=models.Q(waits_for__isnull=False),
            ),
            models.Index(fields=["message_id"], name="message_message_id"),
            models.Index(
                fields=["only_recipient", "id"],
                name="message_only_recipient",
                condition=models.Q(only_recipient__isnull=False),
            ),
            # Partial, because mail of these sources is rare, and all other mail should not pay for it.
            *(
                models.Index(fields=["-id"], name=f"message_{source}", condition=models.Q(source=source))
                for source in ("alert", "backup", "test")
            ),
        ]

    def __str__(self) -> str:
        return self.subject or self.message_id

    def outcomes(self) -> list[dict[str, Any]]:
        """Who has it: ``[{"address", "status", "code", "message"}]``, as API and console show it.

        What is still pending when the message is over (the queue saves itself a write for each recipient) has ended as
        the message did, with the server's last words.
        """
        over = self.status if self.status in (self.Status.SENT, self.Status.FAILED) else "pending"
        code, said = final_words(self.history)
        outcomes = []
        for recipient in self.recipients:
            ending = {"code": None, "message": "", **recipient}
            if ending["status"] == "pending":
                ending["status"] = over
                if over == self.Status.SENT:
                    ending.update(code=code, message=said)
            outcomes.append({name: ending[name] for name in ("address", "status", "code", "message")})
        return outcomes


class MessageAddress(models.Model):
    """One of several envelope recipients of a message, in lower case: the index by which messages to an address are
    found, beside ``Message.only_recipient``."""

    address = models.CharField("recipient", max_length=320)
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="+")

    class Meta:
        verbose_name_plural = "recipients of messages"
        indexes = [models.Index(fields=["address", "message"], name="message_address")]

    def __str__(self) -> str:
        return self.address


class HourlyCount(models.Model):
    """How many messages met with what in one hour, so that no page counts its way through the history."""

    class Outcome(models.TextChoices):
        """What is counted."""

        SENT = "sent", "Sent"
        #: Given up, or refused for good.
        FAILED = "failed", "Failed"
        #: Attempts that failed for now.
        DEFERRED = "deferred", "Deferred"
        #: The most messages that waited at one time.
        WAITING = "waiting", "Waiting"
        #: Only in place of an hour.
        QUEUED = "queued", "Queued"
        RETRYING = "retrying", "Retrying"
        #: Reported later, by recipient.
        BOUNCED = "bounced", "Bounced"
        COMPLAINED = "complained", "Complaint"

    #: In place of an hour: how many messages of the final statuses ``sent`` and ``failed`` the table holds now, how
    #: many of a long queue were ``queued`` or ``retrying`` when they were last counted, and how many bounces and
    #: complaints there have ever been.
    STOCK: ClassVar[datetime] = datetime(1970, 1, 1, tzinfo=UTC)

    #: When the hour began (UTC).
    hour = models.DateTimeField("hour from")
    outcome = models.CharField(max_length=10, choices=Outcome)
    number = models.BigIntegerField("messages", default=0)

    class Meta:
        verbose_name = "count of an hour"
        verbose_name_plural = "counts per hour"
        ordering = ["-hour", "outcome"]
        constraints = [models.UniqueConstraint(fields=["hour", "outcome"], name="hourly_count_once")]

    def __str__(self) -> str:
        when = "now" if self.hour == self.STOCK else words.minute(self.hour)
        return f"{self.outcome} {when}: {self.number}"


def searched(recipients: list[dict[str, Any]]) -> list[str]:
    """The addresses under which a message is found by its ``recipients``."""
    return [*dict.fromkeys(str(recipient["address"]).lower() for recipient in recipients)]


def envelope(addresses: list[str]) -> dict[str, Any]:
    """The fields of a new message that say who gets it: each address once, pending."""
    recipients = [{"address": address, "status": "pending"} for address in dict.fromkeys(addresses)]
    only = addresses[0].lower() if len(recipients) == 1 else None
    return {"recipients": recipients, "only_recipient": only}
