"""Removes what reports said a long time ago, a few rows at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from dnsrecords.models import Network, ReceivedReport, RefusedReport, ReportedMail, ReportedTls

_PORTION = 500


def purge() -> int:
    """Remove the rows whose retention is over; returns how many. With a retention of 0 days, that is all of them."""
    old = timezone.now() - timedelta(days=settings.QUAZZAR_REPORT_RETENTION_DAYS)
    if not settings.QUAZZAR_REPORT_RETENTION_DAYS:
        old += timedelta(days=3)
    day = old.date()
    return sum(
        _in_portions(rows)
        for rows in (
            ReportedMail.objects.filter(day__lt=day).order_by("day"),
            ReportedTls.objects.filter(day__lt=day).order_by("day"),
            ReceivedReport.objects.filter(received_at__lt=old).order_by("received_at"),
            RefusedReport.objects.filter(day__lt=day).order_by("day"),
            Network.objects.filter(reported_on__lt=day).order_by("reported_on"),
        )
    )


def _in_portions(rows: models.QuerySet[Any]) -> int:
    number = 0
    while ids := list(rows.values_list("pk", flat=True)[:_PORTION]):
        number += rows.model._default_manager.filter(pk__in=ids).delete()[0]
    return number
