"""manage.py restore: make this node the one of a backup."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from quazzar import actors, words
from quazzar.backups import passphrase, registry, restoring, trial
from quazzar.errors import QuazzarError


class Command(BaseCommand):
    help = "Restore a backup on an empty machine, with Quazzar stopped. See docs/backup.md."
    # The checks need the key file and the tables that this command makes.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--passphrase-file", help=passphrase.HELP)
        parser.add_argument(
            "--replace",
            action="store_true",
            help="remove what this node has: all rows, and with a backup of mail the mail server and its mail",
        )
        for name in registry.parts():
            parser.add_argument(
                f"--without-{name}", action="store_true", help=f"leave out {name} of the backup"
            )

    def handle(self, *args: Any, **options: Any) -> None:
        without = [name for name in registry.parts() if options[f"without_{name}"]]
        try:
            secret = passphrase.get(options["passphrase_file"])
            with actors.acting_as("command:restore"):
                result = restoring.restore(
                    options["file"], secret, without=without, replace=options["replace"]
                )
        except QuazzarError as exc:
            raise CommandError(f"{exc.message} {exc.hint}".strip()) from exc
        about = result.about
        self.stdout.write(
            f"Restored the backup of {words.moment(about.made_at)} from {about.host}: {trial.sentence(result)}"
        )
        for path in result.kept:
            self.stdout.write(f"A different file was there; it is now {path}.")
        self.stdout.write("Start Quazzar: mail that was queued is sent, and the mail server is made again.")
