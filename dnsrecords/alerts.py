"""Mail to the operator about records that broke, and about those that are right again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mailrelay.models import RelaySettings
from mailrelay.sender import Email, Sender
from quazzar.errors import InvalidEmail, RelayNotConfigured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnsrecords.results import News

logger = logging.getLogger(__name__)

_MOST_SHOWN = 50


def tell(news: Sequence[News]) -> None:
    """One mail about all of it; into the log where there is no relay or nobody to tell."""
    for each in news:
        logger.warning("dns: %s", headline(each))
    recipients = RelaySettings.load().alert_recipients
    if not news:
        return
    if not recipients:
        logger.warning("dns alert logged, not mailed: no recipient is set for alerts")
        return
    try:
        Sender().queue(compose(news, recipients), source="alert")
    except (RelayNotConfigured, InvalidEmail) as exc:
        logger.warning("dns alert logged, not mailed: %s", exc.message)


def headline(news: News) -> str:
    """example.com: the SPF record is broken."""
    what = f"{news.domain}: the record {news.record.type} {news.record.name}"
    return f"{what} is right again" if news.event == "recovered" else f"{what} is broken"


def compose(news: Sequence[News], recipients: Sequence[str]) -> Email:
    """The mail; what broke first."""
    ordered = sorted(news, key=lambda each: (each.event != "broken", each.domain, each.record.id))
    more = len(ordered) - 1
    subject = headline(ordered[0]) + (f" (and {more} more)" if more else "")
    blocks = [block for each in ordered[:_MOST_SHOWN] for block in (*_block(each), "")]
    left_out = len(ordered) - _MOST_SHOWN
    end = [f"… and {left_out} more", ""] if left_out > 0 else []
    lines = [*blocks, *end, "The DNS tab shows all records, and looks them up again."]
    text = "\n".join(lines) + "\n"
    return Email(
        to=[*recipients], subject=f"[DNS] {subject}", text=text, headers={"Auto-Submitted": "auto-generated"}
    )


def _block(news: News) -> list[str]:
    if news.event == "recovered":
        return [f"{headline(news)}."]
    found = list(news.verdict.found) or ["nothing"]
    return [
        f"{headline(news)}.",
        f"  {news.verdict.message}",
        *(f"  found:    {each}" for each in found),
        f"  expected: {news.verdict.advice or news.record.value}",
    ]
