"""Tells the worker that something is due. The rows are the truth: a lost ring costs time, never a mail."""

from __future__ import annotations

import logging
import threading
import time

from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

#: A ring wakes the worker for everything that is due, so more than one in this time adds nothing.
QUIET_SECONDS = 0.05

_lock = threading.Lock()
_last = 0.0
_pending: threading.Timer | None = None


def ring() -> None:
    """Rings now; right after another ring, once at the end of the quiet time instead. Never raises."""
    global _last, _pending
    with _lock:
        if _pending is not None:
            return
        wait = _last + QUIET_SECONDS - time.monotonic()
        if wait > 0:
            _pending = threading.Timer(wait, _late)
            _pending.start()
            return
        _last = time.monotonic()
    _publish()


def _late() -> None:
    global _last, _pending
    with _lock:
        _pending = None
        _last = time.monotonic()
    _publish()


def _publish() -> None:
    from mailrelay.tasks import deliver_outbox  # the task imports delivery, which imports this

    try:
        deliver_outbox.apply_async(retry=False, ignore_result=True)
    except OperationalError as exc:
        logger.warning("doorbell not rung, the sweep will find the mail: %s", type(exc).__name__)
