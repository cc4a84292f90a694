"""Removes journeys that have been kept long enough, or that are too many, a few at a time."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from mailboxes.models import Journey, JourneyKey, MailEvent

logger = logging.getLogger(__name__)

#: However long they are to be kept: an attacker who fills the log must not fill the disk. About 1.5 GB.
MOST_JOURNEYS: Final = 1_000_000
#: A mail that is still arriving after this time never came: Postfix logs nothing when a client gives up.
_ARRIVED: Final = timedelta(hours=1)
_PORTION = 500


def purge() -> int:
    """Removes old journeys, and closes those whose mail never came; returns how many were removed."""
    now = timezone.now()
    arriving = Journey.objects.filter(state=Journey.State.ARRIVING, last_at__lt=now - _ARRIVED)
    arriving.update(state=Journey.State.BROKEN)
    oldest = now - timedelta(days=settings.QUAZZAR_MAIL_LOG_DAYS)
    number = 0
    while found := list(
        Journey.objects.filter(last_at__lt=oldest).order_by("last_at").values_list("pk", flat=True)[:_PORTION]
    ):
        number += _remove(found)
    # The numbers of rows ascend, and have few gaps: no row has to be counted.
    newest = Journey.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    surplus = Journey.objects.filter(pk__lte=newest - MOST_JOURNEYS).order_by("pk")
    while found := list(surplus.values_list("pk", flat=True)[:_PORTION]):
        number += _remove(found)
    if number:
        logger.info("mail log: %s journeys removed", number)
    return number


def _remove(found: list[int]) -> int:
    with transaction.atomic():
        # Not by cascade, which would read every row first.
        MailEvent.objects.filter(journey__in=found).delete()
        JourneyKey.objects.filter(journey__in=found).delete()
        return Journey.objects.filter(pk__in=found).delete()[0]
