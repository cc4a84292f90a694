"""Celery's entry points: no arguments but ids, safe to run twice."""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from mailrelay.queue import delivery, outbox

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def deliver_outbox() -> None:
    """Sends what is due."""
    delivery.drain()


@shared_task(ignore_result=True)
def sweep_outbox() -> None:
    """Finds what a lost ring, a dead worker or a back-off left behind."""
    freed = delivery.free_dead_owners() + outbox.expire_leases()
    if freed:
        logger.warning("%s messages taken up from a worker that is gone", freed)
    delivery.close_idle_connections()
    delivery.look_whether_a_key_is_back()
    delivery.look_whether_the_relay_is_back()
    if outbox.anything_due():
        delivery.drain()


@shared_task(ignore_result=True)
def clean_up() -> None:
    """Removes what its retention is over for."""
    bodies, rows = outbox.purge()
    if bodies or rows:
        logger.info("retention: %s bodies and %s messages removed", bodies, rows)


# Celery imports this module in the worker (autodiscover_tasks), so only the worker has these receivers.
@worker_ready.connect
def _sweep_at_start(**_: Any) -> None:
    """A killed worker leaves claims behind; its successor frees them now, not at the next sweep."""
    sweep_outbox.apply_async(retry=False)


@worker_shutting_down.connect
def _finish_what_is_on_the_wire(**_: Any) -> None:
    delivery.stop()
