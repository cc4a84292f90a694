"""gunicorn's configuration, read by `manage.py up`; the socket comes open from the supervisor."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from quazzar.monitoring.logs import LOGGING
from quazzar.processes import kernel as processes

bind = f"fd://{os.environ.get('QUAZZAR_LISTEN_FD', '')}"
worker_class = "gthread"
# One process: SQLite has one writer anyway, and /metrics counts in one place.
workers = 1
threads = 8
keepalive = 5
timeout = 120
graceful_timeout = 8
control_socket_disable = True
# Its heartbeat file; on a slow disk a stalled write would look like a dead worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
# The middleware logs requests, with their ids.
accesslog = None
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": LOGGING["formatters"],
    "handlers": {"stderr": LOGGING["handlers"]["stderr"]},
    "root": LOGGING["root"],
    "loggers": {
        "gunicorn.error": {"level": "WARNING", "handlers": ["stderr"], "propagate": False},
        "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
    },
}


def post_fork(_server: Any, worker: Any) -> None:
    """gunicorn's workers notice a dead master too late, or, when busy, not at all."""
    processes.die_with(worker.ppid)


def post_worker_init(worker: Any) -> None:
    """The application is loaded: say where it is."""
    url = str(worker.sockets[0]).replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    print(f"console on {url}", flush=True)  # noqa: T201
