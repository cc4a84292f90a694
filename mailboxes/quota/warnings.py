"""Mailboxes that get full: one mail to the operator (and, if wanted, one to each mailbox) at 80, 95 and 100 %."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Q

from mailboxes.models import Mailbox, Stack
from mailrelay.notices.notify import notify, notify_operator
from quazzar import words

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

LEVELS = (80, 95, 100)
#: Percent below a level that the usage must fall to before the level counts again.
_SLACK = 5
_MIB = 1024 * 1024
_MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Warned:
    """A mailbox that has just reached a level."""

    address: str
    percent: int
    used: int
    limit: int
    takes_mail: bool

    @property
    def line(self) -> str:
        """ada@example.org: 95 % (95.0 MiB of 100.0 MiB)."""
        used, limit = words.size(self.used), words.size(self.limit)
        return f"{self.address}: {self.percent} % ({used} of {limit})"


def decide(warned: int, percent: int) -> tuple[int, bool]:
    """The level that counts as warned from now on, and whether to warn.

    A level once warned of holds until the usage is clearly below it, so that one message more or less at the edge
    does not send a mail each time.
    """
    reached = max((level for level in LEVELS if percent >= level), default=0)
    if reached > warned:
        return reached, True
    held = max((level for level in LEVELS if level <= warned and percent >= level - _SLACK), default=0)
    return max(reached, held), False


def warn() -> int:
    """Warns of every mailbox that has reached a level since the last time; says of how many."""
    stack = Stack.load()
    with transaction.atomic():
        # In one transaction with the mails: what is marked as told has been told.
        crossed = [found for row in _candidates() if (found := _claim(row))]
        if crossed:
            _tell_operator(crossed)
            if stack.warn_mailbox_owners:
                _tell_owners(crossed)
    return len(crossed)


def _candidates() -> Sequence[Mailbox]:
    lowest = LEVELS[0]
    full = Q(quota_mb__gt=0, usage_bytes__gte=F("quota_mb") * (_MIB * lowest // 100))
    return list(Mailbox.objects.filter(full | Q(warned_percent__gt=0), deleted_at=None).order_by("address"))


def _claim(row: Mailbox) -> Warned | None:
    """Moves the row to its new level; of two workers only one does, and that one warns."""
    limit = row.quota_mb * _MIB
    percent = row.usage_bytes * 100 // limit if limit else 0
    level, now = decide(row.warned_percent, percent)
    if level == row.warned_percent:
        return None
    here = Mailbox.objects.filter(pk=row.pk, warned_percent=row.warned_percent)
    if not here.update(warned_percent=level) or not now:
        return None
    takes_mail = row.enabled and row.can_receive and percent < 100
    return Warned(row.address, percent, row.usage_bytes, limit, takes_mail)


# --- the mails ---------------------------------------------------------------------------------------------
def _tell_operator(crossed: list[Warned]) -> None:
    for warned in crossed:
        logger.warning("quota: %s", warned.line)
    notify_operator(*operator_mail(crossed))


def _tell_owners(crossed: list[Warned]) -> None:
    # A full mailbox would refuse the very mail that says so.
    for warned in crossed:
        if warned.takes_mail:
            notify(*owner_mail(warned), [warned.address])


def operator_mail(crossed: Sequence[Warned]) -> tuple[str, str]:
    """Subject and text of one mail about all of them, the fullest first."""
    ordered = sorted(crossed, key=lambda warned: (-warned.percent, warned.address))
    first = ordered[0]
    what = f"{first.address} is {first.percent} % full"
    subject = what if len(ordered) == 1 else f"{len(ordered)} mailboxes get full; {what}"
    left_out = len(ordered) - _MOST_SHOWN
    lines = [
        "These mailboxes have reached 80, 95 or 100 % of their quota:",
        "",
        *(warned.line for warned in ordered[:_MOST_SHOWN]),
        *([f"… and {left_out} more"] if left_out > 0 else []),
        "",
        "At 100 % mail to a mailbox is refused (552 5.2.2). Raise its quota in the Mailboxes tab, or ask its owner",
        "to delete mail.",
    ]
    return f"[Quota] {subject}", "\n".join(lines) + "\n"


def owner_mail(warned: Warned) -> tuple[str, str]:
    """Subject and text of the mail to the mailbox itself."""
    lines = [
        f"Your mailbox {warned.address} holds {words.size(warned.used)} of {words.size(warned.limit)}"
        f" ({warned.percent} %).",
        "",
        "When it is full, mail to you is refused. Delete what you no longer need, and empty the Trash folder.",
    ]
    return f"Your mailbox is {warned.percent} % full", "\n".join(lines) + "\n"
