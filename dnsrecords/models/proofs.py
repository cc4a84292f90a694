"""Rows about proofs: mails that show whether mail from here arrives and is believed. Written by ``proof/``."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from quazzar.sealing.fields import SealedBinaryField


class Way(models.TextChoices):
    """How the mail leaves this node."""

    RELAY = "relay", "Relay"
    #: Directly, or through the relay, as it is configured there.
    SERVER = "server", "Mail server"


class Proof(models.Model):
    """One mail that was sent to see whether it arrives and is believed, and what was found."""

    class State(models.TextChoices):
        """How far it is."""

        SENDING = "sending", "Being sent"
        UNDERWAY = "underway", "On its way"
        ARRIVED = "arrived", "Being judged"
        PROVEN = "proven", "Proven"
        #: It arrived, and not everything could be judged.
        UNCLEAR = "unclear", "Not fully proven"
        FAILED = "failed", "Failed"

    class Found(models.TextChoices):
        """How the mail, or its header, came back to us."""

        INBOX = "inbox", "Found in an inbox"
        PASTED = "pasted", "Header pasted"
        FORWARDED = "forwarded", "Forwarded as an attachment"
        REPLY = "reply", "Answered"

    OPEN: ClassVar[tuple[str, ...]] = (State.SENDING, State.UNDERWAY, State.ARRIVED)

    nonce = models.CharField(max_length=40, unique=True)
    way = models.CharField(max_length=8, choices=Way)
    #: The mail server sends it through the relay.
    through_relay = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State, default=State.SENDING)
    scheduled = models.BooleanField(default=False)
    from_address = models.CharField("from", max_length=320)
    to = models.CharField(max_length=320)
    #: Where it is looked for; null: a person has it.
    inbox = models.ForeignKey("mailrelay.Inbox", null=True, on_delete=models.SET_NULL, related_name="+")
    #: Its row in the queue, if it was sent through the relay.
    queued = models.ForeignKey("mailrelay.Message", null=True, on_delete=models.SET_NULL, related_name="+")
    message_id = models.CharField("Message-ID", max_length=255)
    found = models.CharField(max_length=10, choices=Found, blank=True, default="")
    #: The mail as it came, or its header.
    mail = SealedBinaryField(context="dnsrecords.proof.mail", null=True)
    #: See ``proof/verdict.py``; null while it is open.
    verdict = models.JSONField(null=True, default=None)
    #: Its first sentence, for lists and alerts.
    sentence = models.CharField(max_length=1_000, blank=True, default="")
    submitted_by = models.CharField(max_length=300, blank=True, default="")
    created_at = models.DateTimeField("started", default=timezone.now)
    sent_at = models.DateTimeField("handed over", null=True, default=None)
    arrived_at = models.DateTimeField("found again", null=True, default=None)
    finished_at = models.DateTimeField("judged", null=True, default=None)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["id"],
                name="proof_open",
                condition=models.Q(state__in=["sending", "underway", "arrived"]),
            ),
            models.Index(fields=["message_id"], name="proof_message_id"),
            models.Index(fields=["-id"], name="proof_scheduled", condition=models.Q(scheduled=True)),
        ]

    def __str__(self) -> str:
        return f"proof {self.pk} to {self.to}"

    @property
    def is_open(self) -> bool:
        """Whether it still goes on."""
        return self.state in self.OPEN


class ProofSchedule(models.Model):
    """When a proof is sent by itself, and how; one row."""

    class Every(models.TextChoices):
        """How often."""

        OFF = "off", "Off"
        DAY = "day", "Every day"
        WEEK = "week", "Every week"

    every = models.CharField("how often", max_length=4, choices=Every, default=Every.OFF)
    way = models.CharField(max_length=8, choices=Way, default=Way.RELAY)
    from_address = models.CharField("from", max_length=320, blank=True, default="")
    inbox = models.ForeignKey("mailrelay.Inbox", null=True, on_delete=models.SET_NULL, related_name="+")
    to = models.CharField(max_length=320, blank=True, default="")
    due_at = models.DateTimeField("next", null=True, default=None)
    #: Since when scheduled proofs fail, and why the last one could not even be sent.
    failing_since = models.DateTimeField(null=True, default=None)
    trouble = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        verbose_name = "schedule of proofs"
        verbose_name_plural = "schedule of proofs"
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="proof_schedule_single_row")]

    def __str__(self) -> str:
        return f"proofs: {self.every}"

    @classmethod
    def load(cls) -> ProofSchedule:
        """The row, or an unsaved one with the defaults."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)
