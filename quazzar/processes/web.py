"""The web process: gunicorn without its command line. The socket comes open from the supervisor.

gunicorn's command line puts the directory in which it was started first on the path, where a stranger's module could
lie (CWE-427).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from quazzar.monitoring.logs import LOGGING
from quazzar.processes import refusals
from quazzar.processes.kernel import die_with

if TYPE_CHECKING:
    from collections.abc import Callable


def _after_fork(_server: Any, worker: Any) -> None:
    """gunicorn's workers notice a dead master too late, or, when busy, not at all."""
    die_with(worker.ppid)


def _after_loading(worker: Any) -> None:
    """Print the address once the application is loaded."""
    url = str(worker.sockets[0]).replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    print(f"console on {url}", flush=True)  # noqa: T201


#: gunicorn's settings by name: https://gunicorn.org/reference/settings/
SETTINGS: dict[str, Any] = {
    "bind": f"fd://{os.environ.get('QUAZZAR_LISTEN_FD', '')}",
    "worker_class": "gthread",
    # One process: SQLite has one writer anyway, and /metrics counts in one place.
    "workers": 1,
    "threads": 8,
    "keepalive": 5,
    "timeout": 120,
    "graceful_timeout": 8,
    "control_socket_disable": True,
    # The heartbeat file; on a slow disk a stalled write would look like a dead worker.
    "worker_tmp_dir": "/dev/shm" if Path("/dev/shm").is_dir() else None,  # noqa: S108
    # The middleware logs requests, with their ids.
    "accesslog": None,
    "logconfig_dict": {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": LOGGING["formatters"],
        "handlers": {"stderr": LOGGING["handlers"]["stderr"]},
        "root": LOGGING["root"],
        "loggers": {
            "gunicorn.error": {"level": "WARNING", "handlers": ["stderr"], "propagate": False},
            "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
        },
    },
    "post_fork": _after_fork,
    "post_worker_init": _after_loading,
}


class Web(BaseApplication):  # type: ignore[misc]  # untyped
    """gunicorn with these settings and the product's WSGI application."""

    def load_config(self) -> None:
        """Take SETTINGS, and nothing from a command line, a file or the environment."""
        for name, value in SETTINGS.items():
            self.cfg.set(name, value)

    def load(self) -> Callable[..., Any]:
        """The WSGI application; imported in the worker."""
        from quazzar.wsgi import application

        return application


if __name__ == "__main__":
    refusals.install()
    Web().run()
