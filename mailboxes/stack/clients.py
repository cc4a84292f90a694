"""Tells from Postfix's log which share of its clients it sees as the bridge network's gateway. Pure."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address

# "connect from name[192.0.2.7]", but not "disconnect from", which names the same client again.
_CONNECT = re.compile(r"(?<!dis)\bconnect from [^\s\[\]]{1,255}\[([0-9A-Fa-f:.]{2,45})\]")
#: Fewer connections from outside than these prove nothing.
ENOUGH = 20


def connections(log: str) -> list[str]:
    """The client's address of each connection from outside the container, in the log's order."""
    return list(filter(None, map(_address, _CONNECT.findall(log))))


def hidden(log: str, gateway: str) -> tuple[int, int] | None:
    """How many connections the log has, and how many of them came as the bridge network's gateway.

    Returns:
        None while there are too few connections to tell.
    """
    addresses = connections(log)
    return (len(addresses), addresses.count(gateway)) if len(addresses) >= ENOUGH else None


def _address(text: str) -> str:
    """The address in its usual form; empty for loopback, from where the container's own health check comes."""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return "" if address.is_loopback else str(address)
