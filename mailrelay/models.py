"""The relay settings, the durable queue with its counts, and what was mailed about alerts, licence and node."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from mailrelay.feedbackrows import EventSource, Feedback, Inbox, Suppression
from mailrelay.history import final_words
from quazzar import words
from quazzar.sealing.fields import SealedBinaryField, SealedTextField

#: Kept beside this module, which would be too long with them.
__all__ = ["EventSource", "Feedback", "Inbox", "Suppression"]


class RelaySettings(models.Model):
    """How mail leaves this node: a single row, read with ``RelaySettings.load()``."""

    class Security(models.TextChoices):
        """How the connection is encrypted."""

        STARTTLS = "starttls", "STARTTLS"
        TLS = "tls", "Implicit TLS"
        NONE = "none", "None"

    #: Id of a preset. No choices here: ``relay/presets.py`` lists them, and a new one needs no migration.
    provider = models.CharField(max_length=16, default="custom")
    host = models.CharField(max_length=253, blank=True, default="")
    port = models.PositiveIntegerField(default=587)
    security = models.CharField(max_length=8, choices=Security, default=Security.STARTTLS)
    username = models.CharField(max_length=320, blank=True, default="")
    password = SealedTextField(context="mailrelay.relay.password", null=True, blank=True)
    from_address = models.CharField(max_length=320, blank=True, default="")
    from_name = models.CharField(max_length=200, blank=True, default="")
    alert_recipients = models.JSONField(default=list, blank=True)
    backup_recipients = models.JSONField(default=list, blank=True)
    notify_backup_success = models.BooleanField("mail about successful backups", default=False)
    #: Bounces of each mail go to an address made from this one (see ``bounces/returnpath.py``); empty: to its sender.
    bounce_address = models.CharField(max_length=254, blank=True, default="")
    updated_at = models.DateTimeField("changed", auto_now=True)
    #: How often in a row the server has refused to let these settings sign in (``relay/logins.py``).
    login_refusals = models.PositiveIntegerField("refused sign-ins in a row", default=0, editable=False)
    #: When the queue may try to sign in again; null: at any time.
    login_not_before = models.DateTimeField(
        "next sign-in not before", null=True, default=None, editable=False
    )
    #: ``{"kind", "code", "message"}`` of the latest refusal.
    login_error = models.JSONField("last refused sign-in", null=True, default=None, editable=False)

    class Meta:
        verbose_name = "relay settings"
        verbose_name_plural = "relay settings"
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="relay_settings_single_row")]

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.host else "not configured"

    @classmethod
    def load(cls) -> RelaySettings:
        """The row; unsaved defaults when there is none yet."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)

    @property
    def configured(self) -> bool:
        """Whether mail can leave: a host is set."""
        return bool(self.host)

    @property
    def password_state(self) -> str:
        """none, saved, or unreadable (its key is gone from the key file)."""
        if self.password is None:
            return "none"
        return "saved" if self.password.readable else "unreadable"


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
            models.Index(fields=["lease_until"], name="message_lease", condition=models.Q(status="sending")),
            models.Index(fields=["status", "-id"], name="message_status"),
            models.Index(fields=["created_at"], name="message_created"),
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


class AlertState(models.Model):
    """The latest mail about one alert group, so that the same news is mailed once.

    ``key`` and ``digest`` are those of its AlertNotice (``notices/alerts.py``).
    """

    key = models.CharField("alert group", max_length=64, unique=True)
    digest = models.CharField("digest of the latest mail", max_length=64)
    message = models.ForeignKey(
        Message, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name="latest mail"
    )
    updated_at = models.DateTimeField("mailed", default=timezone.now)

    class Meta:
        verbose_name_plural = "mailed alerts"

    def __str__(self) -> str:
        return f"alert group {self.key[:8]}"


class LicenceWatch(models.Model):
    """The licence as it was last seen, and what was mailed about it: one row, so that each is mailed once."""

    #: The plan included Mail Relay.
    is_entitled = models.BooleanField("plan includes Mail Relay")
    ends_at = models.DateTimeField("licence ends", null=True, default=None)
    #: Of the days before the end on which a mail is due, the last for which it was sent.
    warned_days = models.PositiveSmallIntegerField(
        "last warning, days before the end", null=True, default=None
    )

    class Meta:
        verbose_name_plural = "licence warnings"

    def __str__(self) -> str:
        return "licence"


class ExpectedReport(models.Model):
    """A recurring report, or one that should be: what is known about it, and whether it is watched."""

    class Kind(models.TextChoices):
        """How the report comes."""

        BACKUP = "backup", "Backup report"
        SENDMAIL = "sendmail", "Mail from cron or sendmail"
        MESSAGE = "message", "Message by API"
        HEARTBEAT = "heartbeat", "Heartbeat alert"
        ANY = "any", "Any report"

    class State(models.TextChoices):
        """Whether the report is being learned, proposed or watched, and the state of a watched one."""

        LEARNING = "learning", "Learning"
        PROPOSED = "proposed", "Proposed"
        IGNORED = "ignored", "Ignored"
        WAITING = "waiting", "Waiting for the first report"
        ON_TIME = "on_time", "On time"
        LATE = "late", "Late"
        FAILED = "failed", "Failed"
        PAUSED = "paused", "Paused"

    #: States in which a report that does not come is mailed.
    WATCHED: ClassVar[tuple[str, ...]] = (State.WAITING, State.ON_TIME, State.LATE, State.FAILED)

    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.ANY)
    #: Identifies the sender (``expected/signatures.py``); null until the first report of one declared by hand came.
    key = models.CharField("identified by", max_length=64, null=True, default=None, unique=True)  # noqa: DJ001
    #: The job, the alert, or the subject without dates and numbers; of one declared by hand, what these must contain.
    title = models.CharField("job, alert or subject", max_length=200)
    #: Who sends it: the sender's address, or the API key.
    source = models.CharField("sent by", max_length=200, blank=True, default="")
    #: The latest arrivals, oldest first: ``[seconds since 1970, succeeded]``.
    arrivals = models.JSONField("latest reports", default=list)
    last_at = models.DateTimeField("last report", null=True, default=None)
    state = models.CharField(max_length=8, choices=State, default=State.LEARNING)
    #: Since when it is in this state; of a late one, when it should have come at the latest.
    since = models.DateTimeField(default=timezone.now)
    #: As ``expected/schedules.py`` stores it; null while none is known.
    schedule = models.JSONField(null=True, default=None)
    #: Minutes.
    tolerance = models.PositiveIntegerField("tolerance (minutes)", default=20)
    #: 0 to 1, of a learned schedule.
    confidence = models.FloatField(null=True, default=None)
    #: From when on the next one is counted: the last one, or the start of the watch.
    counted_from = models.DateTimeField("counting from", null=True, default=None)
    due_at = models.DateTimeField("due", null=True, default=None)
    late_at = models.DateTimeField("late from", null=True, default=None)
    #: When the sweep must look at the row; null: not before something happens.
    look_at = models.DateTimeField("next check", null=True, default=None)
    muted_until = models.DateTimeField(null=True, default=None)
    #: late or failed, if the operator was mailed that; empty otherwise.
    told = models.CharField("state that was mailed", max_length=8, blank=True, default="")
    created_at = models.DateTimeField("created", default=timezone.now)

    class Meta:
        verbose_name = "expected report"
        ordering = ["name", "id"]
        indexes = [
            models.Index(fields=["look_at"], name="expected_look", condition=models.Q(look_at__isnull=False)),
            models.Index(fields=["state", "last_at"], name="expected_state"),
        ]

    def __str__(self) -> str:
        return self.name


class ExpectedSweep(models.Model):
    """When expected reports were last checked, so that reports are not called late because the node was off."""

    at = models.DateTimeField("time")

    class Meta:
        verbose_name = "sweep of expected reports"
        verbose_name_plural = "last check of expected reports"

    def __str__(self) -> str:
        return "sweep"


def searched(recipients: list[dict[str, Any]]) -> list[str]:
    """The addresses under which a message is found by its ``recipients``."""
    return [*dict.fromkeys(str(recipient["address"]).lower() for recipient in recipients)]


def envelope(addresses: list[str]) -> dict[str, Any]:
    """The fields of a new message that say who gets it: each address once, pending."""
    recipients = [{"address": address, "status": "pending"} for address in dict.fromkeys(addresses)]
    only = addresses[0].lower() if len(recipients) == 1 else None
    return {"recipients": recipients, "only_recipient": only}
