"""The Celery worker, started without Celery's command line, which would take 15 MB."""

from __future__ import annotations

import os
import sys
import warnings

from celery.exceptions import SecurityWarning
from django.conf import settings

from quazzar.celery import STACK_QUEUE, app
from quazzar.processes import beat

# Threads, because sending mail mostly waits for the network; four processes would cost 200 MB instead of 70.
CONCURRENCY = 4


def queues() -> list[str]:
    """What this worker listens to: where there are several machines, not all of them need to reach the Engine."""
    rest = [app.conf.task_default_queue]
    return [*rest, STACK_QUEUE] if settings.QUAZZAR_STACK_WORKER else rest


def main() -> int:
    """Run until SIGTERM (running tasks are finished first) or SIGINT; returns the exit code."""
    # Django's checks ran before `up`; here they would load the console and the API.
    os.environ["CELERY_SKIP_CHECKS"] = "1"
    # The warning is about pickle, which this worker does not accept.
    warnings.simplefilter("ignore", SecurityWarning)
    worker = app.Worker(
        pool_cls="threads",
        concurrency=CONCURRENCY,
        queues=queues(),
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    )
    if "beat" in os.environ.get("QUAZZAR_ROLES", "").split():  # of the parts on this machine
        beat.start_in_worker()
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
