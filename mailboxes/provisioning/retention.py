"""How long a deleted mailbox can be restored, and which ones' time is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Q

from mailboxes.models import Mailbox

if TYPE_CHECKING:
    from django.db.models import QuerySet

#: Between the last moment of restoring and the first of removing: a restore that began in time is over by then.
GRACE = timedelta(minutes=5)


def period() -> timedelta:
    """How long a deleted mailbox can be restored."""
    return timedelta(days=settings.QUAZZAR_RESTORE_DAYS)


def restorable_until(mailbox: Mailbox) -> datetime | None:
    """The last moment at which it can be restored; None for one that is not deleted."""
    return mailbox.deleted_at and mailbox.deleted_at + period()


def restorable(now: datetime) -> QuerySet[Mailbox]:
    """Deleted mailboxes that can be restored."""
    return Mailbox.objects.filter(deleted_at__gt=now - period())


def due(now: datetime) -> QuerySet[Mailbox]:
    """Deleted mailboxes whose time is over and which the running stack has no more, the oldest first.

    Whoever removes them removes the mail first and the row last: the row keeps the place from being given away.
    """
    out_of_the_stack = Q(removed_at__isnull=False) | Q(live_at=None)
    grace = GRACE if period() else timedelta(0)
    return Mailbox.objects.filter(out_of_the_stack, deleted_at__lte=now - period() - grace).order_by(
        "deleted_at"
    )
