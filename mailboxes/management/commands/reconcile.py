"""manage.py reconcile: show, or repair, what differs between the rows and the running stack."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailboxes.models import Stack
from mailboxes.stack import reconcile
from quazzar import actors, words
from quazzar.errors import StackError

#: Seconds to wait for another process that is repairing.
PATIENCE = 60


class Command(BaseCommand):
    """Exits with 0 if nothing differs (any more), with 1 if something does or the Docker Engine does not answer."""

    help = "Show (--dry-run) or repair the differences between the database and the running stack."

    def add_arguments(self, parser: CommandParser) -> None:
        """With ``--dry-run`` the command prints the differences and changes nothing."""
        parser.add_argument(
            "--dry-run", action="store_true", help="print the differences without changing anything"
        )

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        """Prints one line for each difference, and repairs them unless this is a dry run.

        Raises:
            CommandError: something still differs, or the differences could not be determined.
        """
        sentences = self._differences()
        for sentence in sentences:
            self.stdout.write(sentence)
        if not sentences:
            self.stdout.write("No differences.")
        elif dry_run:
            raise CommandError(f"{words.count(len(sentences), 'difference')}.")
        else:
            self._repair()

    def _differences(self) -> list[str]:
        try:
            return reconcile.differences()
        except StackError as exc:
            raise CommandError(f"{exc.message} {exc.hint}".strip()) from exc

    def _repair(self) -> None:
        deadline = time.monotonic() + PATIENCE
        self._converge()
        while self._differences():
            if time.monotonic() > deadline:
                raise CommandError(
                    f"There are still differences after {PATIENCE} seconds, because another process is repairing them. "
                    "Run the command again in a minute."
                )
            time.sleep(1)
            self._converge()
        self.stdout.write("Repaired.")

    def _converge(self) -> None:
        with actors.acting_as("command:reconcile"):
            reconcile.converge(deep=True)
        stack = Stack.load()
        if stack.last_error:
            raise CommandError(f"{stack.last_error['message']} {stack.last_error['hint']}".strip())
        if stack.pending:
            for sentence in stack.pending:
                self.stdout.write(f"Waiting for your approval because it interrupts mail: {sentence}")
            raise CommandError("Everything else is repaired. Approve the interruption in the Mailboxes tab.")
