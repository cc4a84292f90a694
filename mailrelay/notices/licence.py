"""Mails about the licence: before it ends, when it has ended, and when it is valid again. Each is sent once."""

from __future__ import annotations

import logging
import socket
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from mailrelay.models import LicenceWatch
from mailrelay.notices.notify import notify_operator
from quazzar import words
from quazzar.plans import lapse

logger = logging.getLogger(__name__)

_REMEDY = (
    "Install a licence in the console: click the plan's name at the top right of the Mail Relay page. Or run on the\n"
    "node:  manage.py license install FILE"
)


def watch(now: datetime | None = None) -> lapse.News:
    """Look at the licence, and mail the alert recipients what is news. Returns the news; empty: there is none.

    A lapse is mailed like anything else: the plan closes console and API, and not the queue.
    """
    now = now or timezone.now()
    present = lapse.current()
    with transaction.atomic():
        # Locked, so that of two workers the second sees what the first has said. On a fresh node nothing is news.
        row, _ = LicenceWatch.objects.select_for_update().get_or_create(
            pk=1, defaults={"is_entitled": present.is_entitled, "ends_at": present.ends_at}
        )
        known = lapse.State(row.is_entitled, row.ends_at, row.warned_days)
        state, news = lapse.step(known, present, now)
        if state != known:
            row.is_entitled, row.ends_at, row.warned_days = (
                state.is_entitled,
                state.ends_at,
                state.warned_days,
            )
            row.save()
        if news:
            subject, text = mail(news, state, now)
            logger.warning("licence: %s", subject)
            notify_operator(subject, text)
    return news


def mail(news: lapse.News, state: lapse.State, now: datetime) -> tuple[str, str]:
    """Subject and text of the mail."""
    node = socket.gethostname()
    end = words.minute(state.ends_at) if state.ends_at else ""
    match news:
        case "ends" if state.ends_at:
            return (
                f"[Licence] {node}: Mail Relay ends in {words.span(state.ends_at - now, up=True)}",
                f"This node's licence includes Mail Relay until {end}.\n\n"
                "After that, the API refuses alerts, backup reports and messages with 402 and does not keep them.\n"
                "The console is locked. Queued mail is still sent, and the mail server keeps running.\n\n"
                f"{_REMEDY}\n",
            )
        case "lapsed":
            ended = f" It was valid until {end}." if end else ""
            return (
                f"[Licence] {node}: alerts are refused from now on",
                f"This node's licence no longer includes Mail Relay.{ended}\n\n"
                "The API refuses alerts, backup reports and messages with 402 and does not keep them: their senders\n"
                "must send them again later. The console is locked. Queued mail is still sent, and the mail server\n"
                "keeps running.\n\n"
                f"{_REMEDY}\n",
            )
    until = f" until {end}" if end else ""
    return (
        f"[Licence] {node}: alerts are accepted again",
        f"This node's licence includes Mail Relay again{until}.\n\n"
        "Send everything again that was refused in the meantime.\n",
    )
