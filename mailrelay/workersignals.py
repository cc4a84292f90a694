"""What the Celery worker does at its start and its end. Connected by the app's ready()."""

from __future__ import annotations

from typing import Any

from celery.signals import worker_ready, worker_shutting_down

from mailrelay.queue import delivery
from mailrelay.tasks import sweep_outbox


@worker_ready.connect
def _look_at_once(**_kwargs: Any) -> None:
    """A worker that was killed left claims behind: the new one takes them up before the next sweep."""
    sweep_outbox.apply_async(retry=False)


@worker_shutting_down.connect
def _finish_what_is_on_the_wire(**_kwargs: Any) -> None:
    delivery.stop()
