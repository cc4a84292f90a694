"""How long deleted mailboxes can be restored, and which of them are due to be purged."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Q

from mailboxes.models import Mailbox

if TYPE_CHECKING:
    from django.db.models import QuerySet

#: Time between the end of the restore period and the purge, so that a restore that began in time has finished.
GRACE = timedelta(minutes=5)


def period() -> timedelta:
    """How long a deleted mailbox can be restored."""
    return timedelta(days=settings.QUAZZAR_RESTORE_DAYS)


def restorable_until(mailbox: Mailbox) -> datetime | None:
    """Until when the mailbox can be restored; None if it is not deleted."""
    return mailbox.deleted_at and mailbox.deleted_at + period()


def restorable(now: datetime) -> QuerySet[Mailbox]:
    """Deleted mailboxes that can be restored."""
    return Mailbox.objects.filter(deleted_at__gt=now - period())


def due(now: datetime) -> QuerySet[Mailbox]:
    """Deleted mailboxes past their restore period that the running stack no longer has, the oldest first.

    Purge the mail first and the row last: while the row exists, no new mailbox gets its home.
    """
    out_of_the_stack = Q(removed_at__isnull=False) | Q(live_at=None)
    grace = GRACE if period() else timedelta(0)
    return Mailbox.objects.filter(out_of_the_stack, deleted_at__lte=now - period() - grace).order_by(
        "deleted_at"
    )
