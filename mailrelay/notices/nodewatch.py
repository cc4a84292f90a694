"""Mails about the node itself: one when a check of the doctor goes wrong, one when it is well again."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from django.db import transaction
from django.utils import timezone

from mailrelay.models import NodeFinding, RelaySettings
from mailrelay.notices.notify import notify_operator
from quazzar.monitoring import doctor, nodechecks
from quazzar.monitoring.doctor import Finding, Level

logger = logging.getLogger(__name__)

#: Checks that are not mailed. Licence, DNS records and expected reports have mails of their own; mail cannot tell that
#: no mail leaves; and the look itself needs worker and broker.
NOT_MAILED = frozenset({"licence", "dns", "relay", "worker", "broker", "expected reports"})
#: What is wrong for less than this may be over at the next look.
HOLD = timedelta(minutes=4)
#: Another problem of the same check is mailed no sooner than this after the first.
AGAIN = timedelta(days=1)
News = Literal["", "broke", "mended"]
# Numbers change at each look without being news.
_NUMBERS = re.compile(r"\d[\d.,:-]*(?: ?[A-Za-z]{1,4}\b)?")


@dataclass(frozen=True)
class Known:
    """What is remembered of a check.

    Attributes:
        since: when it became as well, or as ill, as it is.
        told_at: when the operator was mailed of it; None: not since it was well.
        told_of: the problem of that mail, without its numbers.
    """

    finding: Finding
    since: datetime
    told_at: datetime | None = None
    told_of: str = ""


def step(
    known: Known | None, finding: Finding, now: datetime, *, can_mail: bool = True
) -> tuple[Known, News]:
    """What to remember after this look, and what to mail. Pure."""
    is_well = finding.level == Level.OK
    was_well = known is None or known.finding.level == Level.OK
    since = known.since if known is not None and is_well == was_well else now
    seen = Known(finding, since)
    if known is None or (is_well and known.told_at is None):
        return seen, ""
    if is_well:
        return seen, "mended" if can_mail else ""
    seen = replace(seen, told_at=known.told_at, told_of=known.told_of)
    problem = f"{finding.level}: {_NUMBERS.sub('#', finding.sentence)}"
    if known.told_at is None:
        is_due = now - since >= HOLD
    else:
        got_worse = finding.level == Level.FAILED and not known.told_of.startswith(Level.FAILED)
        is_due = problem != known.told_of and (got_worse or now - known.told_at >= AGAIN)
    if is_due and can_mail:
        return replace(seen, told_at=now, told_of=problem), "broke"
    return seen, ""


def watch(now: datetime | None = None) -> list[tuple[str, News]]:
    """Runs the doctor's checks, remembers what they found, and mails the alert recipients what is news."""
    now = now or timezone.now()
    findings = dict(doctor.examine({**nodechecks.CHECKS, **doctor.registered()}))
    relay = RelaySettings.load()
    can_mail = relay.configured and bool(relay.alert_recipients)
    with transaction.atomic():
        # Locked, so that of two workers the second sees what the first has said.
        rows = {row.check_name: row for row in NodeFinding.objects.select_for_update()}
        news: list[tuple[str, News]] = []
        for name, finding in findings.items():
            row = rows.pop(name, None)
            known, event = step(_known(row), finding, now, can_mail=can_mail and name not in NOT_MAILED)
            _store(name, known)
            if event:
                news.append((name, event))
        NodeFinding.objects.filter(check_name__in=rows).delete()
        if news:
            subject, text = mail(news, findings)
            logger.warning("node: %s", subject)
            notify_operator(subject, text)
    return news


def mail(news: Sequence[tuple[str, News]], findings: Mapping[str, Finding]) -> tuple[str, str]:
    """Subject and text of one mail about all of it; what broke comes first."""
    ordered = sorted(news, key=lambda item: (item[1] != "broke", findings[item[0]].level != Level.FAILED))
    first, event = ordered[0]
    what = findings[first].sentence if event == "broke" else "all is well again."
    more = f" (and {len(news) - 1} more)" if len(news) > 1 else ""
    subject = f"[Node] {socket.gethostname()}: {first}: {what.rstrip('.')}{more}"
    blocks = [
        f"{name}: {findings[name].sentence}\n{findings[name].advice}".rstrip()
        if event == "broke"
        else f"{name} is well again: {findings[name].sentence}"
        for name, event in ordered
    ]
    end = "manage.py doctor shows all checks. You get one mail when something breaks, and one when it is well again."
    return subject[:200], "\n\n".join([*blocks, end]) + "\n"


def _known(row: NodeFinding | None) -> Known | None:
    if row is None:
        return None
    finding = Finding(Level(row.level), row.sentence, row.advice)
    return Known(finding, row.since, row.told_at, row.told_of)


def _store(name: str, known: Known) -> None:
    finding = known.finding
    NodeFinding.objects.update_or_create(
        check_name=name,
        defaults={
            "level": finding.level,
            "sentence": finding.sentence,
            "advice": finding.advice,
            "since": known.since,
            "told_at": known.told_at,
            "told_of": known.told_of,
        },
    )
