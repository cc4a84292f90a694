"""What comes back about sent mail: where it comes in, what it says, and who gets no more mail because of it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from quazzar.sealing.fields import SealedTextField


class Inbox(models.Model):
    """An IMAP mailbox to which bounces and reports come."""

    class Security(models.TextChoices):
        """How the connection is encrypted."""

        TLS = "tls", "Implicit TLS"
        STARTTLS = "starttls", "STARTTLS"
        NONE = "none", "None"

    class After(models.TextChoices):
        """What is done with a mail that was read. A mail that nobody could read stays as it is."""

        SEEN = "seen", "Mark it as read"
        MOVE = "move", "Move it to another folder"
        LEAVE = "leave", "Leave it as it is"

    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField(default=993)
    security = models.CharField(max_length=8, choices=Security, default=Security.TLS)
    username = models.CharField(max_length=320)
    password = SealedTextField(context="mailrelay.inbox.password", null=True, blank=True)
    folder = models.CharField(max_length=200, default="INBOX")
    after = models.CharField("after reading", max_length=8, choices=After, default=After.SEEN)
    processed_folder = models.CharField(max_length=200, blank=True, default="Processed")
    enabled = models.BooleanField(default=True)
    #: The mailbox of the node's own mail server that Quazzar looks after itself; there is one at most.
    owned = models.BooleanField("Quazzar's own", default=False, editable=False)
    #: SHA-256 of the certificates of which the server must have one, in hexadecimal; empty: authorities decide.
    certificates = models.JSONField(default=list, editable=False)
    #: UIDVALIDITY of the folder, and the last UID that was read there (RFC 3501 §2.3.1.1).
    uid_validity = models.BigIntegerField(null=True, default=None, editable=False)
    last_uid = models.BigIntegerField(default=0, editable=False)
    #: The UID that is being read, and how often that was begun: a mail that always stops the worker is skipped.
    trying_uid = models.BigIntegerField(default=0, editable=False)
    tries = models.PositiveSmallIntegerField(default=0, editable=False)
    looked_at = models.DateTimeField("last look", null=True, default=None, editable=False)
    #: When a mail was last read and stored.
    read_at = models.DateTimeField("last report", null=True, default=None, editable=False)
    number_read = models.PositiveIntegerField("reports read", default=0, editable=False)
    #: ``{"message", "hint", "since"}`` of the latest look, or null if it went well.
    last_error = models.JSONField(null=True, default=None, editable=False)

    class Meta:
        verbose_name_plural = "inboxes"
        constraints = [
            models.UniqueConstraint(fields=["owned"], condition=models.Q(owned=True), name="inbox_owned_once")
        ]

    def __str__(self) -> str:
        return f"{self.username} at {self.host}"

    @property
    def password_state(self) -> str:
        """none, saved, or unreadable (its key is gone from the key file)."""
        if self.password is None:
            return "none"
        return "saved" if self.password.readable else "unreadable"


class Feedback(models.Model):
    """What became of a message for one recipient after the relay took it, as somebody reported it."""

    class Kind(models.TextChoices):
        """What happened to it."""

        DELIVERED = "delivered", "Delivered"
        DELAYED = "delayed", "Delayed"
        BOUNCED = "bounced", "Bounced"
        COMPLAINED = "complained", "Complaint"

    #: The mail came back, or somebody complained.
    BAD: ClassVar[tuple[str, ...]] = (Kind.BOUNCED, Kind.COMPLAINED)
    #: The source of what the mail server's own log says.
    LOG: ClassVar[str] = "log"

    message = models.ForeignKey("mailrelay.Message", on_delete=models.CASCADE, related_name="feedback")
    recipient = models.CharField(max_length=320)
    kind = models.CharField(max_length=10, choices=Kind)
    #: Of a bounce: the address itself cannot receive mail.
    hard = models.BooleanField(default=False)
    #: The enhanced status code (RFC 3463), and SMTP's own.
    status = models.CharField(max_length=12, blank=True, default="")
    code = models.PositiveSmallIntegerField(null=True, default=None)
    said = models.TextField("the server's words", blank=True, default="")
    host = models.CharField("the server", max_length=255, blank=True, default="")
    #: How it was told: log, dsn, text, complaint, or a provider's name.
    source = models.CharField(max_length=12)
    #: Who told it.
    reporter = models.CharField(max_length=255, blank=True, default="")
    #: It came to the signed return path of this message, or by a signed event; not only with its Message-ID.
    proven = models.BooleanField(default=False)
    #: What people read in the report.
    report = SealedTextField(context="mailrelay.feedback.report", null=True, default=None)
    #: When it happened, as far as the report says; else when it came.
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "feedback"
        constraints = [
            # Told twice is told once.
            models.UniqueConstraint(fields=["message", "recipient", "kind"], name="feedback_once")
        ]
        indexes = [
            models.Index(
                fields=["-message"],
                name="feedback_bad",
                condition=models.Q(kind__in=["bounced", "complained"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.recipient}: {self.kind}"


class Suppression(models.Model):
    """An address that gets no more mail from this node."""

    class Reason(models.TextChoices):
        """Why an address gets no more mail."""

        BOUNCED = "bounced", "Hard bounce"
        COMPLAINED = "complained", "Complaint"
        MANUAL = "manual", "Added by hand"

    address = models.CharField(max_length=320, unique=True)
    reason = models.CharField(max_length=10, choices=Reason)
    #: The server's words, or a note.
    said = models.TextField("details", blank=True, default="")
    feedback = models.ForeignKey(Feedback, null=True, on_delete=models.SET_NULL, related_name="+")
    #: Mails that were not sent because of it.
    skipped = models.PositiveIntegerField("mails not sent", default=0)
    created_at = models.DateTimeField("since", default=timezone.now)

    class Meta:
        ordering = ["-id"]
        verbose_name = "suppressed address"
        verbose_name_plural = "suppressed addresses"

    def __str__(self) -> str:
        return self.address


class EventSource(models.Model):
    """A provider that calls a webhook here when something becomes of a mail."""

    provider = models.CharField(max_length=16, unique=True)
    #: The part of the URL that nobody can guess, and the SHA-256 by which it is found.
    token = SealedTextField(context="mailrelay.eventsource.token")
    token_digest = models.CharField(max_length=64, unique=True, editable=False)
    #: What the provider's signature is checked with; of SES, the ARN of the topic.
    key = SealedTextField(context="mailrelay.eventsource.key", null=True, blank=True)
    created_at = models.DateTimeField("created", default=timezone.now)
    last_event_at = models.DateTimeField("last event", null=True, default=None)
    last_event = models.CharField(max_length=200, blank=True, default="")
    refused_at = models.DateTimeField("last refused call", null=True, default=None)
    refusal = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        ordering = ["provider"]
        verbose_name = "webhook for events"
        verbose_name_plural = "webhooks for events"

    def __str__(self) -> str:
        return self.provider
