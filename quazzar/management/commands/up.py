"""manage.py up: apply migrations, collect static files if there are none, then become the supervisor."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, connections

from quazzar.backups import copying, registry
from quazzar.machines import locks
from quazzar.monitoring.logs import log_format
from quazzar.processes.supervisor import ROLES

if TYPE_CHECKING:
    from collections.abc import Sequence


class Command(BaseCommand):
    help = "Run broker (unless REDIS_URL is set), web and worker in the foreground. Ctrl-C stops them all."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument(
            "--only",
            nargs="+",
            choices=ROLES,
            default=[],
            metavar="ROLE",
            help="only these on this machine: web, worker, beat (needs REDIS_URL and PostgreSQL)",
        )
        parser.add_argument("--without-copy", action="store_true", help=copying.HELP)

    def handle(self, *args: Any, **options: Any) -> None:
        only: list[str] = options["only"]
        if only and (not settings.REDIS_URL or connection.vendor == "sqlite"):
            raise CommandError(
                "--only is for several machines: set REDIS_URL and DATABASE_URL (PostgreSQL) to servers that all "
                "of them reach. See docs/scaling.md."
            )
        if registry.unfinished().exists():
            raise CommandError(
                "A restore on this node is not complete. Run manage.py restore again with the same backup."
            )
        # In turn, because machines that start together would migrate together.
        with locks.shared("migrate", wait=True):
            copying.migrate(self.stdout.write, copy=not options["without_copy"])
        if "web" in only and not (settings.STATIC_ROOT / "staticfiles.json").exists():
            call_command("collectstatic", interactive=False, verbosity=0)
        connections.close_all()
        sys.stdout.flush()
        os.execve(sys.executable, command(options["host"], options["port"], only), environment())  # noqa: S606


def command(host: str, port: int, only: Sequence[str] = ()) -> list[str]:
    """The supervisor's command line. It holds no secret, and so not REDIS_URL either."""
    argv = [sys.executable, "-P", "-m", "quazzar.processes.supervisor", "--host", host, "--port", str(port)]
    argv += ["--data-dir", str(settings.QUAZZAR_DATA_DIR)]
    argv += ["--only", *only] if only else []
    return argv if settings.REDIS_URL else [*argv, "--broker-socket", str(settings.QUAZZAR_BROKER_SOCKET)]


def environment() -> dict[str, str]:
    """This environment, with a PYTHONPATH that lets the supervisor and its children find us from any folder."""
    path = os.pathsep.join(filter(None, [str(settings.BASE_DIR), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "QUAZZAR_LOG_FORMAT": log_format(sys.stdout)}
