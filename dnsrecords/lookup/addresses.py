"""Addresses of name servers: as the operator writes them, and of which kind this node can reach."""

from __future__ import annotations

import socket

Address = tuple[str, int]

#: One of the root servers' addresses of each kind: far away, and never this node's own.
_FAR = {"A": (socket.AF_INET, "198.41.0.4"), "AAAA": (socket.AF_INET6, "2001:503:ba3e::2:30")}


def parse(text: str, port: int = 53) -> Address:
    """``192.0.2.1``, ``192.0.2.1:5353``, ``2001:db8::1`` or ``[2001:db8::1]:5353``.

    Raises:
        ValueError: what should be a port is no number.
    """
    if text.startswith("["):
        host, _, number = text[1:].partition("]")
        return host, int(number.removeprefix(":") or port)
    host, colon, number = text.partition(":")
    return (host, int(number or port)) if colon and ":" not in number else (text, port)


def reachable_types() -> tuple[str, ...]:
    """The types of address records that are of use here, IPv4 first; both on a machine that has no way out at all."""
    found = tuple(type_ for type_, (family, far) in _FAR.items() if _has_route(family, far))
    return found or tuple(_FAR)


def _has_route(family: socket.AddressFamily, far: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 53))  # of UDP: sends nothing, only looks for the way
    except OSError:
        return False
    return True
