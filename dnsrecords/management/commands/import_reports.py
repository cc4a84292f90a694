"""manage.py import_reports: store DMARC and TLS reports from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dnsrecords.reports import intake, unpacking
from dnsrecords.reports.values import Unfit
from quazzar import actors, words


class Command(BaseCommand):
    """Exits with 1 if a file has no report that could be stored; the others are stored nevertheless."""

    help = "Store the DMARC and TLS reports in files: XML or JSON, plain, gzip, zip, or whole mails."

    def add_arguments(self, parser: CommandParser) -> None:
        """The files; a folder stands for the files in it, such as a Maildir's."""
        parser.add_argument(
            "files", nargs="+", metavar="FILE", type=Path, help="a file, or a folder of files"
        )

    def handle(self, *args: Any, files: list[Path], **options: Any) -> None:
        """Prints one line for each file.

        Raises:
            CommandError: a file could not be stored.
        """
        failed = 0
        for path in (
            each for given in files for each in (sorted(given.rglob("*")) if given.is_dir() else [given])
        ):
            if path.is_dir():
                continue
            try:
                self.stdout.write(f"{path}: {self._take(path)}")
            except (OSError, Unfit) as exc:
                failed += 1
                self.stderr.write(f"{path}: {exc.message if isinstance(exc, Unfit) else exc.strerror}")
        if failed:
            raise CommandError(f"{words.count(failed, 'file')} not stored.")

    def _take(self, path: Path) -> str:
        with path.open("rb") as file:
            data = file.read(unpacking.LARGEST + 1)
        with actors.acting_as("command:import_reports"):
            taken = intake.take(data, intake.Way.COMMAND)
        return f"{len(taken.stored)} stored, {taken.repeated} stored before"
