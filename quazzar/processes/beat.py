"""The clock: sends the periodic tasks by name. It keeps its schedule in memory and loads no app.

`manage.py up` runs it as a thread of the worker, where it takes 1 MB; `up --only beat` as a process of its own (45 MB).
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import Any, NoReturn

from celery import signals
from celery.beat import Scheduler, Service

from quazzar.celery import app
from quazzar.monitoring import logs

logger = logging.getLogger(__name__)

#: Seconds by which the time of day may move against the time that passes before the clock counts as set.
_SLACK = 5.0


class SteadyScheduler(Scheduler):
    """Celery's scheduler, which notices when somebody sets the clock.

    Celery compares times of day: after the clock was set back by an hour it would send nothing for an hour.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._offset = self.offset()
        super().__init__(*args, **kwargs)

    def offset(self) -> float:
        """Seconds between the time of day and the clock that nobody can set; changes when the clock is set."""
        return time.time() - time.monotonic()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due; returns how many seconds may pass until the next call."""
        offset = self.offset()
        if abs(offset - self._offset) > _SLACK:
            logger.warning(
                "the clock was set by %+.0f s: each task's period starts over", offset - self._offset
            )
            for entry in self.schedule.values():
                entry.last_run_at = entry.default_now()
            self._heap = None
        self._offset = offset
        return float(super().tick(*args, **kwargs))


def start_in_worker() -> None:
    """Run as a thread of this worker until it stops; if the clock fails, the worker stops, and is started again.

    Celery's own ``worker --beat`` would fork another process for it.
    """
    service = Service(app, scheduler_cls=SteadyScheduler)
    asked = threading.Event()

    def run() -> None:
        try:
            service.start()
        finally:
            if not asked.is_set():
                logger.error("the clock ended by itself, so the worker stops")
                os.kill(os.getpid(), signal.SIGTERM)

    def stop(**_: object) -> None:
        # A worker that stops begins no task, so none is sent to it any more.
        asked.set()
        service.stop()

    signals.worker_shutting_down.connect(stop, weak=False)
    threading.Thread(target=run, name="beat", daemon=True).start()


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    logs.configure_plainly()
    signal.signal(signal.SIGTERM, _leave)
    # `celery beat` would import every app first (30 MB) and keep its schedule in a file of pickles.
    Service(app, scheduler_cls=SteadyScheduler).start()


if __name__ == "__main__":
    main()
