"""The clock: sends the periodic tasks by name. It keeps its schedule in memory and loads no app."""

from __future__ import annotations

import signal
from typing import NoReturn

from celery.beat import Scheduler, Service

from quazzar.celery import app
from quazzar.monitoring import logs


def _leave(*_: object) -> NoReturn:
    raise SystemExit(0)


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    logs.configure_plainly()
    signal.signal(signal.SIGTERM, _leave)
    # `celery beat` would import every app first (30 MB) and keep its schedule in a file of pickles.
    Service(app, scheduler_cls=Scheduler).start()


if __name__ == "__main__":
    main()
