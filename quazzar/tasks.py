"""Celery tasks of the project package."""

from __future__ import annotations

import logging

from celery import shared_task
from django.utils import timezone

from quazzar.models import Heartbeat
from quazzar.sealing import rotation

logger = logging.getLogger(__name__)


@shared_task
def heartbeat() -> None:
    """Record that beat, broker and worker are alive."""
    Heartbeat.objects.update_or_create(name="worker", defaults={"at": timezone.now()})


@shared_task
def purge() -> None:
    """Delete answers to idempotent requests after 24 hours, and re-seal secrets that are still under an old key."""
    from quazzar.api import idempotency  # not above: the API's code takes 20 MB

    idempotency.purge()
    if resealed := rotation.reseal_stragglers():
        logger.info("%s secrets re-sealed that were stored under an old key", resealed)
