"""The doctor's check of the inboxes: whether each can be read, and has been lately."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from mailrelay.models import Inbox
from quazzar import words
from quazzar.monitoring import doctor

CHECK = "inbox"
#: A server that was away for less than this is no finding.
_PATIENCE = timedelta(minutes=15)


def examine() -> doctor.Finding:
    """Whether bounces and reports can be read."""
    rows = list(Inbox.objects.filter(enabled=True).defer("password"))
    if not rows:
        return doctor.idle("No inbox is set up, so nothing is known of mail after the relay took it.")
    now = timezone.now()
    for row in rows:
        error = row.last_error
        if error is None:
            continue
        since = datetime.fromisoformat(error["since"])
        if now - since >= _PATIENCE:
            return doctor.failed(
                f"The inbox {row} cannot be read: {error['message']}",
                error["hint"] or "Check its settings on the page Returned mail.",
                since=since,
            )
    latest = max((row.looked_at for row in rows if row.looked_at), default=None)
    when = f" Checked {words.span(now - latest)} ago." if latest else ""
    return doctor.ok(f"{words.count(len(rows), 'inbox', 'inboxes')} read.{when}")
