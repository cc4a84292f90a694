"""Host name → addresses to connect to, with a time limit that getaddrinfo itself does not have."""

from __future__ import annotations

import socket
import threading
from typing import Any

from quazzar.errors import DeliveryError

Address = tuple[int, Any]

_NOT_FOUND = {
    getattr(socket, name, socket.EAI_NONAME) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY")
}


def resolve(host: str, port: int, seconds: float) -> list[Address]:
    """The addresses of a host as (family, sockaddr), in the order to try them; never empty.

    Raises:
        DeliveryError: at stage resolve: the name does not exist, or no name server answered within ``seconds``.
    """
    answers: list[Any] = []

    def look_up() -> None:
        try:
            answers.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, ValueError, OverflowError) as exc:  # ValueError: it cannot be a name
            answers.append(exc)

    thread = threading.Thread(target=look_up, name="resolve", daemon=True)
    thread.start()
    thread.join(seconds)
    if not answers:
        raise _failure(f"No name server answered for {host} within {seconds:.0f} s.", "dns_failed")
    answer = answers[0]
    if isinstance(answer, socket.gaierror) and answer.errno in _NOT_FOUND:
        raise _failure(f"The name {host} does not exist, or has no address.", "dns_not_found") from answer
    if isinstance(answer, ValueError):
        raise _failure(f"{host!r} is not a valid hostname.", "dns_not_found") from answer
    if isinstance(answer, Exception):
        raise _failure(f"The name {host} could not be resolved.", "dns_failed") from answer
    return [(family, sockaddr) for family, _type, _proto, _name, sockaddr in answer]


def _failure(sentence: str, kind: str) -> DeliveryError:
    return DeliveryError(sentence, stage="resolve", kind=kind)
