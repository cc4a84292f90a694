"""manage.py backup: one sealed file with everything that this node is, made while it runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from quazzar import actors, words
from quazzar.backups import making, passphrase, registry
from quazzar.errors import QuazzarError


class Command(BaseCommand):
    help = (
        "Back up this node while it runs: rows, key file and licence, sealed under a passphrase. See "
        "docs/backup.md."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "target",
            type=Path,
            help="a file; a folder, in which the file gets a name; or - for standard output",
        )
        parser.add_argument("--passphrase-file", help=passphrase.HELP)
        parser.add_argument(
            "--keep",
            type=int,
            default=0,
            metavar="N",
            help="in a folder: keep the latest N, remove older ones",
        )
        for part in registry.parts().values():
            parser.add_argument(f"--{part.name}", action="store_true", help=part.help)

    def handle(self, *args: Any, **options: Any) -> None:
        parts = [name for name in registry.parts() if options[name]]
        try:
            secret = passphrase.get(options["passphrase_file"], new=True)
            with actors.acting_as("command:backup"):
                made = making.make(options["target"], secret, parts, max(0, options["keep"]))
        except QuazzarError as exc:
            raise CommandError(f"{exc.message} {exc.hint}".strip()) from exc
        # Standard output may be the backup itself.
        self.stderr.style_func = None
        self.stderr.write(f"{made.path}: {words.size(made.size)}. {made.sentence}")
        for path in made.removed:
            self.stderr.write(f"Removed {path}, because of --keep.")
