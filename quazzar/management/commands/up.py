"""manage.py up: apply migrations, then become the supervisor."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections

from quazzar.monitoring.logs import log_format


class Command(BaseCommand):
    help = (
        "Run broker (unless REDIS_URL is set), web, worker and beat in the foreground. Ctrl-C stops them all."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--host", default="127.0.0.1")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        connections.close_all()
        sys.stdout.flush()
        os.execve(sys.executable, command(options["host"], options["port"]), environment())  # noqa: S606


def command(host: str, port: int) -> list[str]:
    """The supervisor's command line. It holds no secret, and so not REDIS_URL either."""
    argv = [sys.executable, "-P", "-m", "quazzar.processes.supervisor", "--host", host, "--port", str(port)]
    argv += ["--data-dir", str(settings.QUAZZAR_DATA_DIR)]
    return argv if settings.REDIS_URL else [*argv, "--broker-socket", str(settings.QUAZZAR_BROKER_SOCKET)]


def environment() -> dict[str, str]:
    """This environment, with a PYTHONPATH that lets the supervisor and its children find us from any folder."""
    path = os.pathsep.join(filter(None, [str(settings.BASE_DIR), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "QUAZZAR_LOG_FORMAT": log_format(sys.stdout)}
