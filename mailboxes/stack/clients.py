"""Who connects to Postfix, as its log tells: whether real addresses arrive, or only the bridge's gateway. Pure."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address

# `connect from name[192.0.2.7]`; not `disconnect from`, which tells of the same client again.
_CONNECT = re.compile(r"(?<!dis)\bconnect from [^\s\[\]]{1,255}\[([0-9A-Fa-f:.]{2,45})\]")
#: Fewer connections from outside prove nothing.
ENOUGH = 20


def connections(log: str) -> list[str]:
    """The client's address of each connection from outside the container, in the log's order."""
    found = (_address(text) for text in _CONNECT.findall(log))
    return [address for address in found if address]


def gateway_only(log: str, gateway: str) -> bool | None:
    """Whether every client appeared as the bridge network's gateway, because a proxy hides real addresses.

    Returns:
        None while too few connections were seen to tell; False as soon as one real address was.
    """
    seen = connections(log)
    if any(address != gateway for address in seen):
        return False
    return True if len(seen) >= ENOUGH else None


def _address(text: str) -> str:
    """The address as it is usually written; empty for the health check, which comes from the container itself."""
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return "" if address.is_loopback else str(address)
