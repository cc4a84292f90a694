"""Warns of mailboxes that fill up, at 80, 95 and 100 %: one mail to the operator, and one to each owner if wanted."""

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

#: Percent of the quota.
LEVELS = (80, 95, 100)
#: Percentage points that usage must fall below a level before that level counts again.
_SLACK = 5
_MIB = 1024 * 1024
_MOST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Warned:
    """A mailbox that has just reached a level.

    Attributes:
        percent: of its quota, rounded down.
        used, limit: bytes.
        takes_mail: a mail to it would arrive.
    """

    address: str
    percent: int
    used: int
    limit: int
    takes_mail: bool

    @property
    def line(self) -> str:
        """A line such as "ada@example.org: 95 % (95 MiB of 100 MiB)"."""
        used, limit = words.size(self.used), words.size(self.limit)
        return f"{self.address}: {self.percent} % ({used} of {limit})"


def decide(warned: int, percent: int) -> tuple[int, bool]:
    """Decides what to do about a mailbox. Pure.

    A level that was warned of holds until usage is clearly below it, so that usage around a level does not send a
    mail each time.

    Args:
        warned: the level of the last warning; 0 for none.
        percent: usage now.

    Returns:
        The level that counts as warned from now on, and whether to warn now.
    """
    reached = max((level for level in LEVELS if percent >= level), default=0)
    if reached > warned:
        return reached, True
    held = max((level for level in LEVELS if level <= warned and percent >= level - _SLACK), default=0)
    return max(reached, held), False


def warn() -> int:
    """Warns of every mailbox that has reached a level since the last call, and returns how many there are."""
    stack = Stack.load()
    with transaction.atomic():
        # The mails are queued in the same transaction, so no mailbox is marked without a mail.
        crossed = list(filter(None, map(_claim, _candidates())))
        if crossed:
            _warn_operator(crossed)
            if stack.warn_mailbox_owners:
                _warn_owners(crossed)
    return len(crossed)


def _candidates() -> Sequence[Mailbox]:
    lowest = LEVELS[0]
    full = Q(quota_mb__gt=0, usage_bytes__gte=F("quota_mb") * (_MIB * lowest // 100))
    return list(Mailbox.objects.live().filter(full | Q(warned_percent__gt=0)).order_by("address"))


def _claim(row: Mailbox) -> Warned | None:
    """Moves the row to its new level. Of two workers only one succeeds, and that one warns."""
    limit = row.quota_mb * _MIB
    percent = row.usage_bytes * 100 // limit if limit else 0
    level, warn_now = decide(row.warned_percent, percent)
    if level == row.warned_percent:
        return None
    unchanged = Mailbox.objects.filter(pk=row.pk, warned_percent=row.warned_percent)
    if not unchanged.update(warned_percent=level) or not warn_now:
        return None
    takes_mail = row.enabled and row.can_receive and percent < 100
    return Warned(row.address, percent, row.usage_bytes, limit, takes_mail)


# --- the mails ---------------------------------------------------------------------------------------------
def _warn_operator(crossed: list[Warned]) -> None:
    for warned in crossed:
        logger.warning("quota: %s", warned.line)
    notify_operator(*operator_mail(crossed))


def _warn_owners(crossed: list[Warned]) -> None:
    # A full mailbox would refuse the mail about it.
    for warned in crossed:
        if warned.takes_mail:
            notify(*owner_mail(warned), [warned.address])


def operator_mail(crossed: Sequence[Warned]) -> tuple[str, str]:
    """Subject and text of one mail about all these mailboxes, the fullest first."""
    ordered = sorted(crossed, key=lambda warned: (-warned.percent, warned.address))
    first = ordered[0]
    subject = f"{first.address} is {first.percent} % full"
    if len(ordered) > 1:
        subject = f"{len(ordered)} mailboxes are filling up; {subject}"
    left_out = len(ordered) - _MOST_SHOWN
    lines = [
        "These mailboxes have reached 80, 95 or 100 % of their quota:",
        "",
        *(warned.line for warned in ordered[:_MOST_SHOWN]),
        *([f"… and {left_out} more"] if left_out > 0 else []),
        "",
        "At 100 %, mail to a mailbox is refused (552 5.2.2). Raise its quota in the Mailboxes tab, or ask "
        "its owner",
        "to delete mail.",
    ]
    return f"[Quota] {subject}", "\n".join(lines) + "\n"


def owner_mail(warned: Warned) -> tuple[str, str]:
    """Subject and text of the mail to the mailbox itself."""
    lines = [
        f"Your mailbox {warned.address} holds {words.size(warned.used)} of {words.size(warned.limit)}"
        f" ({warned.percent} %).",
        "",
        "When it is full, mail to you is refused. Delete mail you no longer need, and empty the Trash "
        "folder.",
    ]
    return f"Your mailbox is {warned.percent} % full", "\n".join(lines) + "\n"
