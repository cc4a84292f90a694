"""manage.py check_seals: count the stored secrets that do not open."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from quazzar import words
from quazzar.errors import KeyFileError, Unreadable
from quazzar.sealing import keyring
from quazzar.sealing.cipher import KeyRing, unseal
from quazzar.sealing.columns import SealedColumn, sealed_columns


class Command(BaseCommand):
    """Open every stored secret, show none, and fail if one does not open."""

    help = (
        "Count the stored secrets of each column that can be decrypted and those that cannot. Exit with 1 "
        "if any cannot."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line per column.

        Raises:
            CommandError: the key file cannot be used, or a secret does not open.
        """
        try:
            ring = keyring.current()
        except KeyFileError as exc:
            raise CommandError(f"{exc.message} {exc.hint}".strip()) from exc
        unreadable = sum(self._line(column, ring) for column in sealed_columns())
        if unreadable:
            raise CommandError(
                f"{words.count(unreadable, 'stored secret')} cannot be decrypted. Put back the key file "
                "that sealed them, or enter them again."
            )

    def _line(self, column: SealedColumn, ring: KeyRing) -> int:
        total = opened = 0
        for batch in column.batches():
            total += len(batch)
            opened += sum(opens(blob, column, ring) for _, blob in batch)
        self.stdout.write(f"{column.label}: {total} stored, {opened} opened, {total - opened} unreadable")
        return total - opened


def opens(blob: bytes, column: SealedColumn, ring: KeyRing) -> bool:
    """Whether the blob opens; the secret itself is discarded."""
    try:
        unseal(blob, column.context, ring, column.former_contexts)
    except Unreadable:
        return False
    return True
