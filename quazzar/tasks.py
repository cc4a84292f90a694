"""Celery tasks of the project package."""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutdown
from django.utils import timezone

from quazzar.access import lockout
from quazzar.access.sessions import SessionStore
from quazzar.home import steps
from quazzar.machines import comparing, reporting
from quazzar.models import Heartbeat
from quazzar.monitoring import findings
from quazzar.sealing import rotation

logger = logging.getLogger(__name__)


@shared_task
def heartbeat() -> None:
    """Record that beat, broker and worker are alive."""
    Heartbeat.objects.update_or_create(name="worker", defaults={"at": timezone.now()})


@shared_task
def look() -> None:
    """Run the doctor's checks that are due, and store what they found."""
    findings.look()


@shared_task
def purge() -> None:
    """Delete expired rows, and re-seal secrets that are still under an old key.

    The rows are answers to idempotent requests, sessions, failed sign-ins, and old findings.
    """
    from quazzar.api import idempotency  # not above: the API's code takes 20 MB

    idempotency.purge()
    lockout.purge()
    findings.purge()
    comparing.purge()
    SessionStore.clear_expired()
    steps.remember()
    if resealed := rotation.reseal_stragglers():
        logger.info("%s secrets re-sealed that were stored under an old key", resealed)


# Celery imports this module in the worker (autodiscover_tasks), so only the worker has this receiver.
@worker_ready.connect
def _report(**_: Any) -> None:
    """Report what this worker's machine is like, as long as it runs."""
    stop = reporting.start("worker")
    worker_shutdown.connect(lambda **_: reporting.finish("worker", stop), weak=False)
