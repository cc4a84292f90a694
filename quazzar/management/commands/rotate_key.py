"""manage.py rotate_key: re-seal every stored secret under a new key, also while the product runs."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from quazzar import words
from quazzar.errors import SealError
from quazzar.sealing import keyring
from quazzar.sealing.rotation import Rotation, rotate


class Command(BaseCommand):
    """Make a new key, re-seal everything with it, keep the previous one until the next run, drop older ones."""

    help = (
        "Re-encrypt every stored secret with a new key. Safe while Quazzar runs. If it is interrupted, "
        "run it again."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate the key, and print what was done.

        Raises:
            CommandError: another rotation is running, or the key file cannot be used.
        """
        try:
            result = rotate(self.stdout.write if options["verbosity"] > 1 else lambda _: None)
        except SealError as exc:
            raise CommandError(f"{exc.message} {exc.hint}".strip()) from exc
        for line in report(result):
            self.stdout.write(line)


def report(result: Rotation) -> list[str]:
    """The lines that the operator reads at the end."""
    lines = [f"{label}: {count} re-sealed" for label, count in sorted(result.resealed.items())]
    if result.resumed:
        lines.append("Finished an earlier, interrupted rotation. No new key was created.")
    lines.append(
        f"{words.count(result.resealed.total(), 'secret')} re-sealed in {result.seconds:.1f} s; "
        f"{words.count(result.dropped, 'old key')} dropped from {keyring.path()}."
    )
    if result.unreadable:
        lines.append(
            f"{words.count(result.unreadable, 'secret')} left unchanged, because decryption failed. See "
            "check_seals."
        )
    return [*lines, *_what_stays(result)]


def _what_stays(result: Rotation) -> Iterator[str]:
    yield (
        f"The previous key stays in {keyring.path()} until the next rotation, because of writes that were "
        "in progress. To drop it sooner, run rotate_key again in a minute."
    )
    if result.kept > 1:
        yield f"{result.kept - 1} older keys stay as well, because unreadable secrets refer to them."
    if result.held:
        yield "Older keys could not be dropped because a transaction is still writing. Run rotate_key again."
    yield "Back up the key file now: an older copy cannot decrypt what is stored now."
