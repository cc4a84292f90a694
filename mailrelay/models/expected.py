"""Reports that are expected."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from quazzar.names import NameField


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

    name = NameField(max_length=200)
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
