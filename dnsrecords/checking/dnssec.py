"""Whether the zone that a host is in is signed with DNSSEC. Pure: what was asked is passed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnsrecords import faults
from dnsrecords.answers import Outcome

if TYPE_CHECKING:
    from dnsrecords.answers import Lookup, Question


def questions(hostname: str) -> tuple[Question, ...]:
    """What `is_signed` will ask, so that it can be asked side by side."""
    return tuple((name, type_) for name in _upwards(hostname) for type_ in ("SOA", "DNSKEY"))


def is_signed(hostname: str, lookup: Lookup) -> bool | None:
    """Whether the hostname's zone is signed, as the recursive servers see it; None: they do not answer.

    One that validates says so itself (RFC 6840 §5.7). Of others it is known by the zone's keys: these do not tell
    whether the parent vouches for them.
    """
    for name in _upwards(hostname):
        zone = lookup(name, "SOA")
        if zone.authenticated and not zone.cname:
            return True
        # Only the nearest zone counts: those of registries are signed nearly all.
        if zone.outcome is Outcome.FOUND and not zone.cname:
            keys = lookup(name, "DNSKEY")
            return None if faults.failed(keys.outcome) else keys.outcome is Outcome.FOUND
        if faults.failed(zone.outcome):
            return None
    return False


def _upwards(hostname: str) -> list[str]:
    """The name and what is above it, down to two labels."""
    labels = hostname.split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1)]
