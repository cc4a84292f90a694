"""Rows of the followed logs: journeys, their events, how they are found, and how far each log was read.

Written by ``maillog/`` alone.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils import timezone

from quazzar import words


class Journey(models.Model):
    """One mail, from the door of the mail server to the mailbox, the next server or the bounce; or one kind of
    connection that did not become a mail, counted by the hour."""

    class State(models.TextChoices):
        """Where the mail is, as far as the logs say."""

        ARRIVING = "arriving", "Arriving"
        WAITING = "waiting", "Waiting"
        HELD = "held", "On hold"
        DELIVERED = "delivered", "Delivered"
        BOUNCED = "bounced", "Bounced"
        REFUSED = "refused", "Refused"
        PUT_OFF = "put_off", "Asked to try later"
        DISCARDED = "discarded", "Discarded"
        DELETED = "deleted", "Deleted"
        #: The client named sender and recipient, and no mail followed: a broken connection, or a probe of the address.
        BROKEN = "broken", "Not completed"
        #: Not a mail.
        CONNECTION = "connection", "Connection"

    state = models.CharField(max_length=10, choices=State, default=State.ARRIVING)
    began_at = models.DateTimeField("began", default=timezone.now)
    last_at = models.DateTimeField("last event", default=timezone.now)
    #: With its brackets; empty if it has none.
    message_id = models.CharField("Message-ID", max_length=300, blank=True, default="")
    #: Of the envelope; empty for a bounce, or if no line named it.
    sender = models.CharField(max_length=320, blank=True, default="")
    #: The first ones; ``recipient_count`` says how many there are.
    recipients = models.JSONField(default=list)
    recipient_count = models.PositiveIntegerField("recipients in all", default=0)
    #: The machine that handed it in, and who had signed in there.
    client = models.CharField("client's address", max_length=60, blank=True, default="")
    login = models.CharField("signed in as", max_length=320, blank=True, default="")
    size = models.PositiveBigIntegerField("size (bytes)", default=0)
    #: Rspamd's.
    score = models.FloatField("spam score", null=True, default=None)
    spam = models.BooleanField("filed in Junk", default=False)
    #: ``{"outcomes": {recipient: kind}, "ids": [queue ids], "reports": [queue ids]}``, see maillog/joining.py.
    facts = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["last_at"], name="journey_last"),
            models.Index(fields=["state", "-id"], name="journey_state"),
        ]

    def __str__(self) -> str:
        return self.message_id or f"Journey {self.pk}"


class JourneyKey(models.Model):
    """By what a journey is found: an address in lower case, ``q:`` and a queue id, ``m:`` and a Message-ID, ``c:`` and
    a client's address. One index answers every search, whatever was typed, newest first."""

    key = models.CharField(max_length=330)
    journey = models.ForeignKey(Journey, on_delete=models.CASCADE, related_name="keys")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "journey"], name="journey_key")]

    def __str__(self) -> str:
        return self.key


class MailEvent(models.Model):
    """What one log line says about a journey."""

    journey = models.ForeignKey(Journey, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField()
    service = models.CharField(max_length=10)
    #: See maillog/daemons/event.py.
    kind = models.CharField(max_length=14)
    queue_id = models.CharField("queue id", max_length=32, blank=True, default="")
    recipient = models.CharField(max_length=320, blank=True, default="")
    #: The server that took or refused it, or the folder.
    remote = models.CharField(max_length=500, blank=True, default="")
    code = models.CharField(max_length=12, blank=True, default="")
    text = models.CharField(max_length=500, blank=True, default="")
    #: What only this kind has.
    data = models.JSONField(null=True, default=None)
    #: How often it happened; of connections only, which are counted by the hour.
    count = models.PositiveIntegerField(default=1)

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.in_words()}, {words.minute(self.at)}"

    def in_words(self) -> str:
        """What happened, as pages say it."""
        if self.kind == Journey.State.PUT_OFF:
            return Journey.State.PUT_OFF.label
        return self.kind.replace("_", " ").capitalize()


class LogPosition(models.Model):
    """How far the log of one container was followed. Stored together with the events, so none is lost or doubled."""

    #: postfix, dovecot or rspamd.
    service = models.CharField(max_length=10, unique=True)
    #: The time that Docker gave the last line, in nanoseconds since 1970; 0 before the first one.
    at_ns = models.BigIntegerField("last line", default=0)
    #: Digests of the lines with about this time.
    recent = models.JSONField(default=list)
    #: When the follower last looked, whether there were lines or not.
    looked_at = models.DateTimeField("looked", default=timezone.now)
    #: Seconds between the last line and its being stored.
    lag = models.FloatField(default=0.0)
    lines = models.PositiveBigIntegerField(default=0)
    #: Kind → events since the beginning.
    counts = models.JSONField(default=dict)
    #: Why the log cannot be followed; empty if it is.
    problem = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        ordering = ["service"]

    def __str__(self) -> str:
        return self.service.capitalize()

    @classmethod
    def of(cls, service: str) -> Any:
        """The row of this service; creates it."""
        return cls.objects.get_or_create(service=service)[0]
