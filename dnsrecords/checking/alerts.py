"""Mails to the operator about records that broke and records that recovered."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dnsrecords.names import dkim_name
from dnsrecords.records.record import to_publish
from mailrelay.notices.notify import notify_operator
from quazzar import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnsrecords.checking.results import News

logger = logging.getLogger(__name__)

_MOST_SHOWN = 50


def tell(news: Sequence[News]) -> None:
    """Sends one mail about all the news; without a relay or recipients, it is only logged."""
    for item in news:
        logger.warning("dns: %s", headline(item))
    if news:
        subject, lines = compose(news)
        notify_operator(subject, "\n".join(lines) + "\n")


def tell_retired(keys: Sequence[tuple[str, str]]) -> None:
    """Sends one mail about old DKIM keys whose records may be deleted.

    Args:
        keys: (domain, selector) of each.
    """
    if not keys:
        return
    lines = [f"The TXT record {dkim_name(selector, name)}" for name, selector in keys]
    for line in lines:
        logger.info("dns: %s may be deleted", line)
    body = [
        "All mail signed with these old DKIM keys has been delivered or given up. You may delete:",
        "",
        *lines,
    ]
    subject = f"[DNS] Old DKIM keys: {words.count(len(keys), 'record')} may be deleted"
    notify_operator(subject, "\n".join(body) + "\n")


def headline(news: News) -> str:
    """One line: "example.com: the record TXT example.com is broken"."""
    what = f"{news.domain}: the record {news.record.type} {news.record.name}"
    return f"{what} is right again" if news.event == "recovered" else f"{what} is broken"


def compose(news: Sequence[News]) -> tuple[str, list[str]]:
    """Subject and lines of the mail; what broke comes first."""
    ordered = sorted(news, key=lambda item: (item.event != "broken", item.domain, item.record.id))
    more = len(ordered) - 1
    subject = headline(ordered[0]) + (f" (and {more} more)" if more else "")
    blocks = [line for item in ordered[:_MOST_SHOWN] for line in (*_block(item), "")]
    left_out = len(ordered) - _MOST_SHOWN
    end = [f"… and {left_out} more", ""] if left_out > 0 else []
    lines = [*blocks, *end, "The DNS records tab shows all records and checks them again."]
    return f"[DNS] {subject}", lines


def _block(news: News) -> list[str]:
    if news.event == "recovered":
        return [f"{headline(news)}."]
    verdict = news.verdict
    values = verdict.found or ("nothing",)
    expected = to_publish(news.record, verdict.status, verdict.found, verdict.advice)
    return [
        f"{headline(news)}.",
        f"  {news.verdict.message}",
        *(f"  found:    {value}" for value in values),
        f"  expected: {expected.value}",
    ]
