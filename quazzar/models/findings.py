"""What the node's checks found."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from quazzar import words


class Heartbeat(models.Model):
    """When a process last reported that it is alive."""

    name = models.CharField("part of Quazzar", max_length=40, unique=True)
    at = models.DateTimeField("last reported", default=timezone.now)

    class Meta:
        verbose_name_plural = "heartbeats of processes"

    def __str__(self) -> str:
        return f"{self.name} at {words.moment(self.at)}"


class Finding(models.Model):
    """What a check of the doctor found when it last ran, since when, and what was mailed about it.

    Written by ``monitoring/findings.py``. Show it through ``monitoring/readings.py``: a row alone does not show
    whether the checks are still running.
    """

    check_name = models.CharField("check", max_length=40, unique=True)
    #: See ``doctor.Area``.
    area = models.CharField(max_length=20, default="node")
    #: ok, warning or failed.
    level = models.CharField("result", max_length=10)
    #: See ``doctor.Finding``.
    is_idle = models.BooleanField("nothing to check", default=False)
    sentence = models.TextField("what it found")
    advice = models.TextField("what to do", blank=True, default="")
    #: URL name of the page where it can be fixed; empty if there is none.
    page = models.CharField(max_length=100, blank=True, default="")
    #: Since when the check has had this level.
    since = models.DateTimeField()
    checked_at = models.DateTimeField("checked")
    #: When the alert recipients were mailed of it; null: not since the check last passed.
    told_at = models.DateTimeField("mailed", null=True, default=None)
    #: The problem of that mail, without its numbers.
    told_of = models.TextField("problem that was mailed", blank=True, default="")

    class Meta:
        verbose_name_plural = "results of checks"
        ordering = ["id"]

    def __str__(self) -> str:
        return self.check_name


class FindingChange(models.Model):
    """One line of a check's history: what it found that was new. Old ones are deleted (``findings.purge``)."""

    check_name = models.CharField("check", max_length=40)
    level = models.CharField("result", max_length=10)
    is_idle = models.BooleanField("nothing to check", default=False)
    sentence = models.TextField("what it found")
    at = models.DateTimeField("time")

    class Meta:
        verbose_name = "change of a finding"
        verbose_name_plural = "history of checks"
        ordering = ["-id"]
        indexes = [models.Index(fields=["check_name", "-id"], name="finding_change_of_check")]

    def __str__(self) -> str:
        return f"{self.check_name}: {self.level}"
