"""manage.py adopt_key: make this machine's key file the one that all machines have to use."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from quazzar import words
from quazzar.errors import KeyFileError
from quazzar.sealing import agreement, keyring


class Command(BaseCommand):
    """Put this machine's first key in force, although it cannot prove that it knows the one before."""

    help = (
        "Use this machine's key file from now on, after the one that all machines used was lost. Copy it to "
        "the other machines afterwards."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Put the key in force, and say how many stored secrets it does not open.

        Raises:
            CommandError: the key file cannot be used.
        """
        try:
            lost = agreement.adopt()
        except KeyFileError as exc:
            raise CommandError(f"{exc.message} {exc.hint}".strip()) from exc
        self.stdout.write(f"The key file {keyring.path()} is in force. Copy it to every other machine.")
        if lost:
            self.stdout.write(
                f"It does not open {words.count(lost, 'stored secret')}. Enter them again; manage.py "
                "check_seals lists them."
            )
