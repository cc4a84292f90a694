"""Mail to the operator about records that broke, and about those that are right again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dnsrecords.names import dkim_name
from mailrelay.models import RelaySettings
from mailrelay.sender import Email, Sender
from quazzar.errors import InvalidEmail, RelayNotConfigured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnsrecords.checking.results import News

logger = logging.getLogger(__name__)

_MOST_SHOWN = 50


def tell(news: Sequence[News]) -> None:
    """One mail about all of it; into the log where there is no relay or nobody to tell."""
    for each in news:
        logger.warning("dns: %s", headline(each))
    if news:
        _queue(*compose(news))


def _queue(subject: str, lines: Sequence[str]) -> None:
    recipients = RelaySettings.load().alert_recipients
    if not recipients:
        logger.warning("dns alert logged, not mailed: no recipient is set for alerts")
        return
    text = "\n".join(lines) + "\n"
    email = Email(to=[*recipients], subject=subject, text=text, headers={"Auto-Submitted": "auto-generated"})
    try:
        Sender().queue(email, source="alert")
    except (RelayNotConfigured, InvalidEmail) as exc:
        logger.warning("dns alert logged, not mailed: %s", exc.message)


def tell_retired(keys: Sequence[tuple[str, str]]) -> None:
    """Old DKIM keys, (domain, selector), whose records may be deleted."""
    if not keys:
        return
    lines = [f"The TXT record {dkim_name(selector, name)}" for name, selector in keys]
    for line in lines:
        logger.info("dns: %s may be deleted", line)
    body = ["No mail that an old DKIM key signed is on its way any more. You may delete:", "", *lines]
    _queue(f"[DNS] Old DKIM keys: {len(keys)} records may be deleted", body)


def headline(news: News) -> str:
    """example.com: the SPF record is broken."""
    what = f"{news.domain}: the record {news.record.type} {news.record.name}"
    return f"{what} is right again" if news.event == "recovered" else f"{what} is broken"


def compose(news: Sequence[News]) -> tuple[str, list[str]]:
    """Subject and lines of the mail; what broke first."""
    ordered = sorted(news, key=lambda each: (each.event != "broken", each.domain, each.record.id))
    more = len(ordered) - 1
    subject = headline(ordered[0]) + (f" (and {more} more)" if more else "")
    blocks = [block for each in ordered[:_MOST_SHOWN] for block in (*_block(each), "")]
    left_out = len(ordered) - _MOST_SHOWN
    end = [f"… and {left_out} more", ""] if left_out > 0 else []
    lines = [*blocks, *end, "The DNS tab shows all records, and looks them up again."]
    return f"[DNS] {subject}", lines


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
