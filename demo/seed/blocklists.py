"""Blocklists in the demo's own DNS: one listed the node for a day."""

from __future__ import annotations

from datetime import datetime, timedelta

from demo.seed.clock import Event
from demo.seed.domains import HEAD, Zones
from dnsrecords.blocklists import check
from dnsrecords.blocklists.lists import LISTS, is_address

_HOUR = timedelta(hours=1)
#: The node's address as blocklists name it, and the list that had it.
_NODE, _LISTED_BY = "25.2.0.192", "bl.spamcop.net"


def events(zones: Zones, now: datetime) -> list[Event]:
    """The lists are asked: before, while and after one of them has the node's address."""

    def ask(*, listed: bool) -> None:
        for each in LISTS:
            known = [_label(each.listed)] + [_NODE] * (listed and each.zone == _LISTED_BY)
            zones.publish(each.zone, "\n".join([HEAD, *(f"{name} IN A 127.0.0.2" for name in known), ""]))
        check.check()

    return [
        (now - 149 * _HOUR, lambda: ask(listed=False)),
        (now - 63 * _HOUR, lambda: ask(listed=True)),
        (now - 38 * _HOUR, lambda: ask(listed=False)),
        (now - timedelta(minutes=7), lambda: ask(listed=False)),
    ]


def _label(subject: str) -> str:
    """What a list has for tests (RFC 5782 §5), as its zone names it."""
    return ".".join(reversed(subject.split("."))) if is_address(subject) else subject
