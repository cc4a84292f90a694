"""Where the machines that share a PostgreSQL differ but must not, and which of them have stopped reporting."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from quazzar import words
from quazzar.models import Process
from quazzar.monitoring import doctor
from quazzar.monitoring.doctor import Finding, Level, failed, idle, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: A process reports four times as often.
SILENT_AFTER = timedelta(minutes=1)
#: A process that has been silent for this long was removed.
FORGOTTEN_AFTER = timedelta(hours=1)


def check() -> Finding:
    """Whether all machines report, are well, and have what must be the same everywhere."""
    now = timezone.now()
    rows = [row for row in Process.objects.all() if now - row.at < FORGOTTEN_AFTER]
    if not rows:
        return idle("One machine.")
    different = (found for _, found in _different(rows, now))
    found = [*_silent(rows, now), *_own(rows, now), *different]
    if found:
        worst = max(found, key=lambda finding: list(Level).index(finding.level))
        more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
        return Finding(worst.level, worst.sentence + more, worst.advice)
    machines = len({row.machine for row in rows})
    roles = Counter(row.role for row in rows)
    number = ", ".join(f"{count} {role}" for role, count in sorted(roles.items()))
    return ok(f"{words.count(machines, 'machine')} ({number}), with the same keys and version.")


def about(machine: str, rows: Sequence[Process], now: datetime) -> list[Finding]:
    """How this machine differs from the others. Pure."""
    own = [row for row in rows if row.machine == machine]
    return [*_own(own, now), *(found for odd, found in _different(rows, now) if machine in odd)]


def purge() -> None:
    """Forget the processes that were taken away."""
    Process.objects.filter(at__lt=timezone.now() - FORGOTTEN_AFTER).delete()


def _silent(rows: Sequence[Process], now: datetime) -> Iterator[Finding]:
    for row in rows:
        if now - row.at >= SILENT_AFTER:
            yield warning(
                f"The {row} last reported {words.span(now - row.at)} ago.",
                "Look at that machine. If it was taken away, this disappears after an hour.",
            )


def _own(rows: Sequence[Process], now: datetime) -> Iterator[Finding]:
    seen = set()
    for row in rows:
        for level, sentence, advice in row.problems if now - row.at < SILENT_AFTER else []:
            if (row.machine, sentence) not in seen:
                seen.add((row.machine, sentence))
                yield Finding(Level(level), f"{row.machine}: {sentence}", advice)


def _different(rows: Sequence[Process], now: datetime) -> Iterator[tuple[list[str], Finding]]:
    """What differs from what most machines have, and on which machines."""
    rows = [row for row in rows if now - row.at < SILENT_AFTER]
    if odd := _odd(rows, "secret_key"):
        yield (
            odd,
            failed(
                f"The SECRET_KEY of {', '.join(odd)} differs from that of the other machines, so people are signed out "
                "whenever a request reaches another machine.",
                "Set the same SECRET_KEY, or SECRET_KEY_FILE, on every machine, and restart those that differ.",
            ),
        )
    if odd := _odd(rows, "licence"):
        yield (
            odd,
            warning(
                f"The licence of {', '.join(odd)} differs from that of the other machines.",
                "Copy the licence file to every machine, or set QUAZZAR_LICENSE_FILE to a shared one. An evaluation "
                "also needs the file evaluation.key of the machine that made it.",
            ),
        )
    if odd := _odd(rows, "version"):
        yield (
            odd,
            warning(
                f"{', '.join(odd)}: another version of Quazzar than on the other machines.",
                "Finish the upgrade on every machine.",
            ),
        )


def _odd(rows: Sequence[Process], attribute: str) -> list[str]:
    """The machines that do not have what most have; none if all are the same. The oldest process decides a tie."""
    values = Counter(getattr(row, attribute) for row in sorted(rows, key=lambda row: row.started_at))
    usual = values.most_common(1)[0][0] if values else None
    return sorted({row.machine for row in rows if getattr(row, attribute) != usual})


def register() -> None:
    """Add the check to the doctor's."""
    doctor.register("machines", check, help="The machines of one node differ")
