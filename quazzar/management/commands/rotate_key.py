"""manage.py rotate_key: re-seal every stored secret under a new key, also while the product runs."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from quazzar import keyring
from quazzar.errors import SealError
from quazzar.rotation import Rotation, rotate


class Command(BaseCommand):
    """Make a new key, re-seal everything with it, and drop the old one. After a kill: run it again."""

    help = (
        "Re-seal every stored secret under a new key. Safe while the product runs; run it again after a kill."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        """Rotate, and print what was done."""
        try:
            result = rotate(self.stdout.write if options["verbosity"] > 1 else lambda _: None)
        except SealError as exc:
            raise CommandError(f"{exc.message} {exc.hint}".strip()) from exc
        for line in report(result):
            self.stdout.write(line)


def report(result: Rotation) -> list[str]:
    """What the operator reads at the end."""
    lines = [f"{label}: {count} re-sealed" for label, count in sorted(result.resealed.items())]
    if result.resumed:
        lines.append("Finished an earlier rotation that was interrupted; no further key was made.")
    lines.append(
        f"{result.resealed.total()} secrets re-sealed in {result.seconds:.1f} s; "
        f"{result.dropped} old keys dropped from {keyring.path()}."
    )
    if result.unreadable:
        lines.append(f"{result.unreadable} secrets open with no key and were left alone; see check_seals.")
    if result.kept:
        lines.append(f"{result.kept} old keys stay in the key file, because such secrets name them.")
    lines.append("Back up the key file now: the old one does not open what is stored any more.")
    return lines
