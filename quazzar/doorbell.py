"""Wakes the worker by the name of a task. The rows are the truth: a lost ring costs seconds, never a mail or a change.

Tasks are rung by name, so that the domain code that rings never imports the task that calls it.
"""

from __future__ import annotations

import logging
import threading
import time

from django.db import transaction
from kombu.exceptions import OperationalError

from quazzar.celery import app

logger = logging.getLogger(__name__)

#: The task that runs the doctor's checks.
LOOK = "quazzar.tasks.look"
#: A ring wakes the worker for everything that is due, so a second ring within this time adds nothing.
QUIET_SECONDS = 0.05

_lock = threading.Lock()
_last_rung: dict[str, float] = {}
_waiting: set[str] = set()


def ring(task: str, *ids: int) -> None:
    """Queue this task; never raises.

    A ring without ids that follows another one within ``QUIET_SECONDS`` is held back to the end of that time, and
    all further ones until then are dropped: they would wake the worker for the same rows.

    Args:
        task: the registered name, such as ``"mailrelay.tasks.deliver_outbox"``.
        ids: primary keys that the task takes.
    """
    if ids or not _held_back(task):
        _send(task, *ids)


def look_soon() -> None:
    """Wake the worker, once a change of settings is committed, to run the doctor's checks that are due."""
    transaction.on_commit(lambda: ring(LOOK))


def _held_back(task: str) -> bool:
    with _lock:
        if task in _waiting:
            return True
        wait = _last_rung.get(task, 0.0) + QUIET_SECONDS - time.monotonic()
        if wait <= 0:
            _last_rung[task] = time.monotonic()
            return False
        _waiting.add(task)
    threading.Timer(wait, _ring_late, [task]).start()
    return True


def _ring_late(task: str) -> None:
    with _lock:
        _waiting.discard(task)
        _last_rung[task] = time.monotonic()
    _send(task)


def _send(task: str, *ids: int) -> None:
    try:
        app.send_task(task, ids, retry=False, ignore_result=True)
    except OperationalError as exc:
        # The text of the error may hold the broker's password.
        logger.warning("%s not rung, the next sweep will find the work: %s", task, type(exc).__name__)
