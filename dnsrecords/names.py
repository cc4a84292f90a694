"""Names in DNS: which zone they are in, and where a domain's records go. Pure.

Names are absolute and in lower case, without a final dot.
"""

from __future__ import annotations


def within(name: str, zone: str) -> bool:
    """Whether a name is the zone's own or below it."""
    return name == zone or name.endswith(f".{zone}")


def relative_name(name: str, zone: str) -> str:
    """A name as it is entered at registrars that append the zone: ``@`` for the zone's own.

    A name outside the zone stays absolute, with a final dot; so does each one while the zone is not known (empty).
    """
    if name == zone:
        return "@"
    return name.removesuffix(f".{zone}") if within(name, zone) else f"{name}."


def zone_of_apex(domain: str) -> str:
    """The zone of a domain directly below a top-level domain, which is one by itself; empty: not known."""
    return domain if domain.count(".") == 1 else ""


def dkim_name(selector: str, domain: str) -> str:
    """Where verifiers look up the key of a selector (RFC 6376 §3.6.2.1)."""
    return f"{selector}._domainkey.{domain}"
