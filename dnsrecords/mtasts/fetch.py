"""The edge to policy hosts: fetches an MTA-STS policy as a sender does, over verified TLS and without redirects."""

from __future__ import annotations

import asyncio
import http.client
import io
import ssl
import time
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from dnsrecords.mtasts import policy
from dnsrecords.mtasts.policy import Fetched, Trouble
from quazzar import tlsfailures

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

#: Seconds for everything; senders wait a minute, but nobody looks at a page for that long.
SECONDS = 4.0
_A_DAY = 86_400
#: A policy has some hundred bytes; RFC 8461 §3.3 lets senders stop at 64 KiB.
_LARGEST = 64 * 1024
#: The most addresses that are tried, in parallel.
_MOST_ADDRESSES = 4
#: Of several outcomes the one that says most counts: the first of these.
_ORDER = (Trouble.NONE, Trouble.TLS, Trouble.GARBLED, Trouble.REFUSED, Trouble.UNREACHABLE, Trouble.TIMEOUT)


def fetch(
    domain: str,
    addresses: Sequence[str],
    *,
    seconds: float = SECONDS,
    port: int = 443,
    context: ssl.SSLContext | None = None,
) -> Fetched:
    """What the policy's host answers. A failure is a value, not an exception.

    Args:
        addresses: of the policy's host, as DNS has them.
        seconds: for everything.
        context: whom to trust; None: the authorities that this machine trusts.
    """
    tried = tuple(dict.fromkeys(addresses))[:_MOST_ADDRESSES]
    if not tried:
        return Fetched(Trouble.NO_ADDRESS)
    trusted = context or _trusted(int(time.time() // _A_DAY))
    outcomes = asyncio.run(_from_all(domain, tried, seconds, port, trusted))
    return min(outcomes, key=lambda outcome: _ORDER.index(outcome.trouble))


@lru_cache(maxsize=1)
def _trusted(_day: int) -> ssl.SSLContext:
    """This machine's authorities: to read them all takes longer than to fetch a policy."""
    return ssl.create_default_context()


async def _from_all(
    domain: str, addresses: Sequence[str], seconds: float, port: int, context: ssl.SSLContext
) -> list[Fetched]:
    fetches = (_from(domain, address, seconds, port, context) for address in addresses)
    return list(await asyncio.gather(*fetches))


async def _from(domain: str, address: str, seconds: float, port: int, context: ssl.SSLContext) -> Fetched:
    try:
        async with asyncio.timeout(seconds):
            return _parsed(await _exchange(policy.host(domain), address, port, context))
    except TimeoutError:
        return Fetched(Trouble.TIMEOUT)
    except ssl.SSLError as exc:
        return Fetched(Trouble.TLS, tlsfailures.explain(exc).reason)
    except ConnectionRefusedError:
        return Fetched(Trouble.REFUSED)
    except ConnectionError:
        return Fetched(Trouble.GARBLED)
    except OSError:
        return Fetched(Trouble.UNREACHABLE)


async def _exchange(host: str, address: str, port: int, context: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=host)
    try:
        request = (
            f"GET {policy.PATH} HTTP/1.1\r\nHost: {host}\r\nAccept: text/plain\r\nConnection: close\r\n\r\n"
        )
        writer.write(request.encode("ascii"))
        data = b""
        while len(data) <= _LARGEST and (more := await reader.read(_LARGEST)):
            data += more
        return data
    finally:
        writer.transport.abort()


class _Received:
    """Received bytes, instead of the socket that `http.client` reads from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self._data)


def _parsed(data: bytes) -> Fetched:
    response = http.client.HTTPResponse(cast("socket.socket", _Received(data)))
    try:
        response.begin()
        text = response.read(_LARGEST)
    except (http.client.HTTPException, ValueError):
        return Fetched(Trouble.GARBLED)
    kind = response.headers.get_content_type() if "Content-Type" in response.headers else ""
    return Fetched(status=response.status, kind=kind, text=text.decode("utf-8", "replace"))
