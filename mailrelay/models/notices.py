"""What was mailed about alerts and the licence."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from mailrelay.models.messages import Message


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
