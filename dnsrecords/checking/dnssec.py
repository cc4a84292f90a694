"""Whether the zone of a host is signed with DNSSEC. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnsrecords import faults
from dnsrecords.answers import Outcome

if TYPE_CHECKING:
    from dnsrecords.answers import Lookup, Question


def questions(hostname: str) -> tuple[Question, ...]:
    """Everything that `is_signed` may look up, so that it can be queried in parallel."""
    return tuple((name, type_) for name in _upwards(hostname) for type_ in ("SOA", "DNSKEY"))


def is_signed(hostname: str, lookup: Lookup) -> bool | None:
    """Whether the hostname's zone is signed; None: the recursive servers do not answer.

    A recursive server that validates says so itself (RFC 6840 §5.7). With others the zone's keys count, which do not
    show whether the parent zone vouches for them.
    """
    for name in _upwards(hostname):
        zone = lookup(name, "SOA")
        if zone.authenticated and not zone.cname:
            return True
        # Only the nearest zone counts: nearly all registries sign theirs.
        if zone.outcome is Outcome.FOUND and not zone.cname:
            keys = lookup(name, "DNSKEY")
            return None if faults.failed(keys.outcome) else keys.outcome is Outcome.FOUND
        if faults.failed(zone.outcome):
            return None
    return False


def _upwards(hostname: str) -> list[str]:
    """The name and those above it that have two labels or more."""
    labels = hostname.split(".")
    return [".".join(labels[start:]) for start in range(len(labels) - 1)]
