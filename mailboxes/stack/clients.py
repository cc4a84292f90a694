"""What share of its clients Postfix sees as the bridge network's gateway, and how they may have connected. Pure."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

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


def ways(published: Collection[str], *, rootless: bool, proxied: bool, every: bool) -> list[str]:
    """How clients may have connected so that they have the gateway's address, as clauses; certain ones come first.

    Args:
        published: addresses of the host on which Postfix is published.
        rootless: Docker runs without root.
        proxied: Docker's userland proxy runs on this machine.
        every: no client had its own address.
    """
    if rootless:
        return ["over IPv4, through rootless Docker, which forwards every connection itself"]
    found = []
    if any(":" in address for address in published):
        found.append("over IPv6, which Docker's proxy turns into IPv4")
    if every and proxied:
        found.append("over IPv4, through Docker's userland proxy, which hides every client")
    elif proxied:
        found.append("over IPv4, from programs on this machine, through Docker's userland proxy")
    else:
        found.append(
            "over IPv4, from programs on this machine, or through a proxy or a rule that hides the sender"
        )
    return found


def _address(text: str) -> str:
    """The address in its usual form; empty for loopback, from where the container's own health check comes."""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return "" if address.is_loopback else str(address)
