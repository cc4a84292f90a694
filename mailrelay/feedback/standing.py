"""What came back about messages, for lists and pages: one query for all of them."""

from __future__ import annotations

from collections.abc import Sequence

from mailrelay.models import Feedback

Kind = Feedback.Kind
#: The worst first: what a message's badge says.
_WORST = (Kind.COMPLAINED, Kind.BOUNCED, Kind.DELAYED, Kind.DELIVERED)


def of(pk: int) -> list[Feedback]:
    """All that came back about one message, oldest first, without the reports."""
    return list(Feedback.objects.filter(message_id=pk).defer("report").order_by("at", "pk"))


def by_recipient(rows: Sequence[Feedback]) -> dict[str, Feedback]:
    """Recipient → the latest and gravest that is known about them.

    A delay is over when the mail was delivered or came back.
    """
    found: dict[str, Feedback] = {}
    for row in rows:
        before = found.get(row.recipient)
        if before is None or _rank(row) <= _rank(before) or before.kind == Kind.DELAYED:
            found[row.recipient] = row
    return found


def worst(pks: Sequence[int]) -> dict[int, str]:
    """Message → the worst that came back about it: complained or bounced; other messages are left out."""
    found: dict[int, str] = {}
    for pk, kind in Feedback.objects.filter(message_id__in=pks, kind__in=Feedback.BAD).values_list(
        "message_id", "kind"
    ):
        if kind == Kind.COMPLAINED or pk not in found:
            found[pk] = kind
    return found


def _rank(row: Feedback) -> int:
    return _WORST.index(Kind(row.kind))
