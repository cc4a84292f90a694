"""manage.py verify: whether a backup can be restored, and what is in it."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from quazzar import words
from quazzar.backups import making, passphrase, restoring, trial
from quazzar.errors import QuazzarError


class Command(BaseCommand):
    help = "Check a backup: its seal, its content, and by a trial that its rows can be restored."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--passphrase-file", help=passphrase.HELP)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            secret = passphrase.get(options["passphrase_file"])
            about = restoring.inspect(options["file"], secret)
            loaded = trial.run(options["file"], secret)
        except QuazzarError as exc:
            raise CommandError(f"{exc.message} {exc.hint}".strip()) from exc
        for line in (
            f"Made on {words.moment(about.made_at)} by Quazzar {about.version} on {about.host} ({about.database}).",
            making.describe(about.manifest),
            f"Restored for trial: {loaded}",
        ):
            self.stdout.write(line)
