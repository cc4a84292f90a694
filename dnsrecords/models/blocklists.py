"""Rows about blocklists: what each says about what mail leaves from, and when that changed.

Written by ``blocklists/check.py``.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class BlocklistEntry(models.Model):
    """What one list says about one address or domain."""

    #: An address that mail leaves from, or a domain.
    subject = models.CharField("address or domain", max_length=253)
    #: ``Blocklist.key``.
    blocklist = models.CharField(max_length=20)
    #: What the list said when it last said something; null: it never did.
    listed = models.BooleanField(null=True, default=None)
    #: Why it is listed, in words.
    reason = models.CharField(max_length=300, blank=True, default="")
    #: Why the list did not say anything at the last check: refused, broken or silent; empty: it did.
    trouble = models.CharField("why there is no answer", max_length=10, blank=True, default="")
    trouble_reason = models.CharField("details", max_length=300, blank=True, default="")
    #: Since when ``listed`` has its value.
    since = models.DateTimeField(default=timezone.now)
    #: When the list last said something.
    checked_at = models.DateTimeField("checked", null=True, default=None)

    class Meta:
        ordering = ["subject", "id"]
        verbose_name_plural = "blocklist entries"
        constraints = [models.UniqueConstraint(fields=["subject", "blocklist"], name="blocklist_entry")]

    def __str__(self) -> str:
        return f"{self.subject} at {self.blocklist}"


class BlocklistChange(models.Model):
    """An address or domain was listed, or is no longer."""

    subject = models.CharField("address or domain", max_length=253)
    blocklist = models.CharField(max_length=20)
    listed = models.BooleanField()
    reason = models.CharField(max_length=300, blank=True, default="")
    at = models.DateTimeField("time", default=timezone.now)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.subject} {'listed' if self.listed else 'cleared'} at {self.blocklist}"


class BlocklistRound(models.Model):
    """When the lists are asked next; one row."""

    due_at = models.DateTimeField("next check", default=timezone.now)
    #: What was asked about, so that something new is asked about soon.
    asked = models.CharField("digest of what was asked", max_length=64, blank=True, default="")

    class Meta:
        verbose_name = "check of blocklists"
        verbose_name_plural = "checks of blocklists"

    def __str__(self) -> str:
        return "check of blocklists"
