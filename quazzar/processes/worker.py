"""The Celery worker, started without Celery's command line: that alone would take 15 MB."""

from __future__ import annotations

import os
import sys
import warnings

from celery.exceptions import SecurityWarning

from quazzar.celery import app

# Threads: sending mail waits for the network, and four processes would cost 200 MB instead of 70.
CONCURRENCY = 4


def main() -> int:
    """Until SIGTERM (tasks at hand are finished) or SIGINT; the exit code."""
    # Django's checks ran before `up`; here they would load the console and the API.
    os.environ["CELERY_SKIP_CHECKS"] = "1"
    # Its reason is pickle, which is not accepted here.
    warnings.simplefilter("ignore", SecurityWarning)
    worker = app.Worker(
        pool_cls="threads",
        concurrency=CONCURRENCY,
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
