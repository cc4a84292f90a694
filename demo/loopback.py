"""Keeps a process from talking to other machines, whatever its settings say. Standard library only."""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
from typing import Any

_SENTENCE = "this is a demo, and nothing leaves this machine"


#: The demo's relay as its settings name it. Domains under ``.example`` belong to nobody (RFC 2606).
RELAY, RELAY_PORT = "relay.example", 587


def stay(relay_port: int) -> None:
    """From now on, refuse to connect to another machine or to resolve its name in this process.

    An audit hook (PEP 578) cannot be removed, and sees the calls of every library that is written in Python.

    Args:
        relay_port: where the demo's relay listens on this machine: RELAY leads there.
    """
    look_up = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if (host, port) == (RELAY, RELAY_PORT):
            host, port = "127.0.0.1", relay_port
        return look_up(host, port, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo
    sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        # A path is a socket in the file system.
        if isinstance(address, tuple) and not is_here(str(address[0])):
            raise PermissionError(errno.EPERM, _SENTENCE)
    elif event == "socket.getaddrinfo" and not is_known(arguments[0]):
        raise socket.gaierror(socket.EAI_NONAME, _SENTENCE)


def is_here(host: str) -> bool:
    """Whether an address is one of this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("localhost", "")


def is_known(host: str | bytes | None) -> bool:
    """Whether this host can be resolved without a query: it is an address itself, or means this machine."""
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host or "localhost"
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.rstrip(".").lower() in ("localhost", "localhost.localdomain")
    return True
