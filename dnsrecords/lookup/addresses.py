"""Addresses of name servers: as the operator writes them, and of which kind this node can reach."""

from __future__ import annotations

import socket
from typing import TypeAlias

#: IP address and port.
Address: TypeAlias = tuple[str, int]

#: An address of a root server of each kind: far away, and never this node's own.
_FAR = {"A": (socket.AF_INET, "198.41.0.4"), "AAAA": (socket.AF_INET6, "2001:503:ba3e::2:30")}


def parse(text: str, port: int = 53) -> Address:
    """Reads ``192.0.2.1``, ``192.0.2.1:5353``, ``2001:db8::1`` or ``[2001:db8::1]:5353``.

    Raises:
        ValueError: the port is not a number.
    """
    if text.startswith("["):
        host, _, number = text[1:].partition("]")
        return host, int(number.removeprefix(":") or port)
    host, colon, number = text.partition(":")
    return (host, int(number or port)) if colon and ":" not in number else (text, port)


def reachable_types() -> tuple[str, ...]:
    """Types of the address records that this node can use, IPv4 first; both if it has no route at all."""
    types = tuple(type_ for type_, (family, far) in _FAR.items() if _has_route(family, far))
    return types or tuple(_FAR)


def _has_route(family: socket.AddressFamily, far: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 53))  # UDP sends nothing when it connects: this only looks for a route
    except OSError:
        return False
    return True
