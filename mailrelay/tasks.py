"""Celery tasks of the queue. They take no arguments and may run twice."""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from mailrelay import monitoring
from mailrelay.expected import watching
from mailrelay.inbox import fetching
from mailrelay.notices import licence, nodewatch
from mailrelay.queue import counts, delivery, outbox, retention

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def deliver_outbox() -> None:
    """Send the mail that is due."""
    monitoring.follow(delivery.drain())


@shared_task(ignore_result=True)
def sweep_outbox() -> None:
    """Find the mail that a lost ring, a dead worker or a wait between attempts left behind."""
    freed = delivery.free_dead_owners()
    if freed:
        logger.warning("%s messages freed that a dead worker had claimed", freed)
    if hurried := outbox.follow_clock():
        logger.warning("%s messages waited for a time that only a wrong clock can have given them", hurried)
    counts.note_waiting()
    delivery.close_idle_connections()
    delivery.retry_if_keys_changed()
    delivery.retry_if_relay_is_back()
    if outbox.anything_due():
        monitoring.follow(delivery.drain())


@shared_task(ignore_result=True)
def clean_up() -> None:
    """Remove the bodies and messages whose retention is over."""
    bodies, rows = retention.purge()
    watching.purge()
    if bodies or rows:
        logger.info("retention: %s bodies and %s messages removed", bodies, rows)


@shared_task(ignore_result=True)
def read_inboxes() -> None:
    """Read the bounces and reports that came to the inboxes."""
    if stored := fetching.look_at_all():
        logger.info("%s mails read from the inboxes", stored)


@shared_task(ignore_result=True)
def sweep_expected() -> None:
    """Learn from reports that came, and mail the alert recipients when a watched one is late, failed or back."""
    watching.sweep()


@shared_task(ignore_result=True)
def watch_licence() -> None:
    """Mail the alert recipients when the licence is about to end, or has ended."""
    licence.watch()


@shared_task(ignore_result=True)
def watch_node() -> None:
    """Mail the alert recipients when a check of the doctor fails or passes again."""
    nodewatch.watch()


# Celery imports this module in the worker (autodiscover_tasks), so only the worker has these receivers.
@worker_ready.connect
def _sweep_at_start(**_: Any) -> None:
    """A killed worker leaves claims behind; its successor frees them now, not at the next sweep."""
    sweep_outbox.apply_async(retry=False)


@worker_shutting_down.connect
def _finish_what_is_on_the_wire(**_: Any) -> None:
    """Messages that no connection has started go back into the queue."""
    delivery.stop()
