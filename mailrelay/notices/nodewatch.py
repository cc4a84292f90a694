"""Mails about the node itself: when a check fails, when it passes again, and daily what is still wrong."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from mailrelay.models import RelaySettings
from mailrelay.notices.notify import notify_operator
from mailrelay.queue import standing
from mailrelay.queue.standing import State
from quazzar import words
from quazzar.models import Finding as Row
from quazzar.monitoring.doctor import Finding, Level, ok, warning
from quazzar.monitoring.findings import as_finding

logger = logging.getLogger(__name__)

#: Checks that are not mailed when they go wrong. Licence, DNS records and expected reports have mails of their own;
#: mail cannot tell that no mail leaves; and the look itself needs worker and broker.
NOT_MAILED = frozenset(
    {"licence", "dns", "blocklists", "relay", "worker", "broker", "node mail", "expected reports"}
)
#: What is wrong, or well again, for less than this may be over at the next look.
HOLD = timedelta(minutes=2)
#: Another problem of the same check is mailed at the earliest this long after the first.
AGAIN = timedelta(days=1)
#: These are in no digest either: it could not be sent.
_NEVER_LISTED = NOT_MAILED - {"licence", "dns", "blocklists", "expected reports"}
#: Warnings alone are listed that many times less often.
_WEEK = 7
News = Literal["", "broke", "mended", "still"]


def news(row: Row, now: datetime) -> News:
    """What to mail of a finding that changed. Pure."""
    if row.check_name in NOT_MAILED or now - row.since < HOLD:
        return ""
    if row.level == Level.OK:
        return "mended" if row.told_at else ""
    if row.told_at is None:
        return "broke"
    problem = as_finding(row).problem
    got_worse = row.level == Level.FAILED and not row.told_of.startswith(Level.FAILED)
    is_due = problem != row.told_of and (got_worse or now - row.told_at >= AGAIN)
    return "broke" if is_due else ""


def still_wrong(rows: Sequence[Row], now: datetime, every: timedelta) -> list[Row]:
    """What a digest has to tell now: all that is wrong, if something was last mailed so long ago; else nothing. Pure.

    Warnings alone are worth a mail each week. A mail that lists something counts as told for all of it, so there is one
    at most in this time.
    """
    wrong = [row for row in rows if row.level != Level.OK and row.check_name not in _NEVER_LISTED]
    patience = every if any(row.level == Level.FAILED for row in wrong) else _WEEK * every
    is_due = every and any(now - (row.told_at or row.since) >= patience for row in wrong)
    return wrong if is_due else []


def watch(now: datetime | None = None) -> list[tuple[str, News]]:
    """Mails the alert recipients what is news in the stored findings, and what is still wrong, and remembers it."""
    now = now or timezone.now()
    if cannot_mail():
        return []
    with transaction.atomic():
        # Checks that send their own mails are only listed here; their recovery is reported elsewhere.
        Row.objects.filter(check_name__in=NOT_MAILED, level=Level.OK, told_at__isnull=False).update(
            told_at=None
        )
        # Locked, so that of two workers the second sees what the first has said.
        rows = {row.check_name: row for row in Row.objects.select_for_update()}
        told: dict[str, News] = {name: event for name, row in rows.items() if (event := news(row, now))}
        every = timedelta(hours=settings.QUAZZAR_NODE_DIGEST_HOURS)
        for row in still_wrong([*rows.values()], now, every):
            told.setdefault(row.check_name, "still")
        if told:
            for row in (rows[name] for name in told):
                row.told_at = now if row.level != Level.OK else None
                row.told_of = as_finding(row).problem
                row.save(update_fields=["told_at", "told_of"])
            subject, text = mail([*told.items()], {name: as_finding(row) for name, row in rows.items()})
            logger.warning("node: %s", subject)
            notify_operator(subject, text)
    return [*told.items()]


def cannot_mail() -> str:
    """Why the node cannot mail its operator about itself, as a sentence; empty if it can."""
    relay = RelaySettings.load()
    if not relay.configured:
        return "no relay is set up"
    return "" if relay.alert_recipients else "no alert recipient is set"


def examine() -> Finding:
    """The doctor's check: whether the node can mail its operator about itself."""
    if why := cannot_mail():
        return warning(
            f"This server cannot mail you when something breaks: {why}.",
            "Set up a relay and alert recipients in the Relay settings. Until then, check this page.",
        )
    if standing.read().state is State.FAILING:
        # What fails is the relay, which has a check of its own.
        return warning(
            "This server cannot mail you when something breaks: the relay does not work.",
            "Fix the relay. Until then, check this page.",
        )
    return ok(f"When something breaks, a mail goes to {', '.join(RelaySettings.load().alert_recipients)}.")


def mail(news: Sequence[tuple[str, News]], found: Mapping[str, Finding]) -> tuple[str, str]:
    """Subject and text of one mail about all of it; what broke comes first, what is still wrong last."""
    order = ("broke", "mended", "still")
    ordered = sorted(news, key=lambda item: (order.index(item[1]), found[item[0]].level != Level.FAILED))
    first, event = ordered[0]
    sentence = found[first].sentence.rstrip(".")
    what = {"broke": sentence, "mended": "everything works again", "still": f"still wrong: {sentence}"}[event]
    more = f" (and {len(news) - 1} more)" if len(news) > 1 else ""
    subject = f"[Node] {socket.gethostname()}: {first}: {what}{more}"
    end = (
        "The console's Doctor page shows all checks. You get one mail when something breaks, one when it is fixed,\n"
        "and at most one a day about what is still wrong."
    )
    return subject[:200], "\n\n".join([*(_block(*item, found[item[0]]) for item in ordered), end]) + "\n"


def _block(name: str, event: News, finding: Finding) -> str:
    if event == "mended":
        return f"{name} is fixed: {finding.sentence}"
    head = f"{name}: {finding.sentence}"
    if event == "still" and finding.since:
        head = f"{name} is still wrong: {finding.sentence} (since {words.moment(finding.since)})"
    return f"{head}\n{finding.advice}".rstrip()
