"""Which address mail comes from when nobody said."""

from __future__ import annotations

import socket

from mailrelay.mail import addresses


def default_from(from_address: str, username: str) -> str:
    """The relay's from address; else its username if that is an address; else an address of this node."""
    for candidate in (from_address, username):
        if "@" in candidate:
            try:
                return addresses.split(candidate)[1]
            except ValueError:
                continue
    try:
        return addresses.normalise(f"mail-relay@{socket.gethostname()}")
    except ValueError:
        return "mail-relay@localhost"
