"""Stores what became of messages after the relay took them. What is told twice is stored once."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from mailrelay.bounces import reading
from mailrelay.bounces.outcomes import BOUNCED, COMPLAINED, LONGEST, Outcome
from mailrelay.feedback import matching
from mailrelay.mail import addresses
from mailrelay.models import Feedback, Message, RelaySettings
from mailrelay.queue import counts
from mailrelay.suppression import listing
from quazzar import words

logger = logging.getLogger(__name__)


def read_mail(raw: bytes) -> bool:
    """The inbox's reader: stores the report that a mail is.

    Returns False for any other mail, and for a report about a mail that is not ours.
    """
    report = reading.read(raw)
    if report is None:
        return False
    match = matching.find(report.sent_to, report.message_ids)
    if match is None:
        logger.info("report by %s is about no message that is stored", report.by)
        return False
    record(
        match.message,
        report.outcomes,
        source=report.source,
        reporter=report.by,
        proven=match.proven,
        report=report.text,
    )
    return True


def record(
    message: Message,
    outcomes: Iterable[Outcome],
    *,
    source: str,
    reporter: str = "",
    proven: bool,
    report: str = "",
    at: datetime | None = None,
) -> list[Feedback]:
    """Store what became of a message for each recipient; returns what is new. What is proven replaces what was not.

    Outcomes for addresses that the message did not go to are left out, unless it went to one address only: that
    person's mail may be forwarded.

    Args:
        proven: only somebody who got a bounce of this very message can know that.
        at: when it happened; None: now.
    """
    when = _between(message.created_at, at)
    trusted = proven or _may_be_trusted(message)
    new = []
    with transaction.atomic():
        for outcome in _ours(message, outcomes):
            values = {
                "hard": outcome.hard,
                "status": words.one_line(outcome.status, 12),
                "code": outcome.code,
                "said": words.one_line(outcome.said, LONGEST),
                "host": words.one_line(outcome.host, 255),
                "source": source,
                "reporter": words.one_line(reporter, 255),
                "proven": proven,
                "report": report or None,
                "at": when,
            }
            row, created = Feedback.objects.get_or_create(
                message=message, recipient=outcome.recipient, kind=outcome.kind, defaults=values
            )
            if created:
                new.append(row)
            elif proven and not row.proven:
                row = _replaced(row, values)
            else:
                if report and row.source == Feedback.LOG and row.report is None:
                    # The log knew it first; the report has more to read.
                    row.report = report
                    row.save(update_fields=["report"])
                continue
            if trusted:
                listing.consider(row)
        counts.add(Counter(row.kind for row in new if row.kind in (BOUNCED, COMPLAINED)))
    for row in new:
        logger.info("message %s %s for a recipient, told by %s", message.pk, row.kind, source)
    return new


def _may_be_trusted(message: Message) -> bool:
    """Whether a report that names nothing but the Message-ID suppresses: only recipients know it, so that of a mail to
    one person nobody but that person could have forged it. Of a mail to more, one could have the others suppressed.

    With an address for bounces, true reports come to a signed envelope sender.
    """
    has_address = RelaySettings.objects.filter(pk=1).exclude(bounce_address="").exists()
    return not has_address and len(message.recipients) == 1


def _replaced(row: Feedback, values: dict[str, Any]) -> Feedback:
    """Somebody who only knew the Message-ID must not be the one who is believed."""
    for name, value in values.items():
        setattr(row, name, value)
    row.save(update_fields=[*values])
    return row


def _ours(message: Message, outcomes: Iterable[Outcome]) -> list[Outcome]:
    people: Sequence[str] = [str(one["address"]) for one in message.recipients]
    known = {person.lower(): person for person in people}
    found: dict[tuple[str, str], Outcome] = {}
    for outcome in outcomes:
        recipient = next((one for one in (outcome.recipient, _plain(outcome.recipient)) if one in known), "")
        if not recipient and len(known) == 1:
            recipient = next(iter(known))
        if recipient:
            found.setdefault((recipient, outcome.kind), replace(outcome, recipient=recipient))
    return [*found.values()]


def _plain(address: str) -> str:
    """The address as messages have it, its domain in ASCII: reports in UTF-8 (RFC 6533) may not."""
    try:
        return addresses.split(address)[1].lower()
    except ValueError:
        return ""


def _between(created: datetime, at: datetime | None) -> datetime:
    """The time as the report gives it, if it can be true."""
    now = timezone.now()
    return now if at is None or at > now else max(at, created)
