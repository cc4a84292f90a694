"""Where a request comes from: the peer, or what a trusted proxy says about it."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from ipaddress import IPv4Network, IPv6Network

    from django.http import HttpRequest, HttpResponse

    Address = IPv4Address | IPv6Address
    Network = IPv4Network | IPv6Network


def parsed(text: str) -> Address | None:
    """The address in an item of X-Forwarded-For, with or without port; an IPv4 address in IPv6 form becomes IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def client(peer: str, forwarded: str, proxies: Sequence[Network]) -> Address | None:
    """Who sent a request: the last address of the chain that is not one of our proxies.

    Everything to its left was written by the client, who may write anything
    (https://developer.mozilla.org/en-US/docs/Web/HTTP/Headers/X-Forwarded-For#selecting_an_ip_address).

    Args:
        peer: the other end of the connection.
        forwarded: X-Forwarded-For; empty if it was not sent.
        proxies: networks of the trusted proxies.

    Returns:
        None if the peer has no IP address.
    """
    address = parsed(peer)
    hops = [hop for hop in forwarded.split(",") if hop.strip()]
    while address and hops and _is_among(address, proxies):
        before = parsed(hops.pop())
        if before is None:
            break
        address = before
    return address


class ClientAddressMiddleware:
    """Sets REMOTE_ADDR to the client's address, and removes an X-Forwarded-For that a trusted proxy sent."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        peer, proxies = request.META.get("REMOTE_ADDR", ""), settings.QUAZZAR_TRUSTED_PROXIES
        address = client(peer, request.META.get("HTTP_X_FORWARDED_FOR", ""), proxies)
        if address is not None:
            request.META["REMOTE_ADDR"] = str(address)
        if _is_among(parsed(peer), proxies):
            request.META.pop("HTTP_X_FORWARDED_FOR", None)
        return self.get_response(request)


def behind_unknown_proxy(request: HttpRequest) -> bool:
    """Whether REMOTE_ADDR is a proxy of this network that is not trusted, and so stands for all its clients."""
    address = parsed(request.META.get("REMOTE_ADDR", ""))
    return "HTTP_X_FORWARDED_FOR" in request.META and address is not None and address.is_private


def _is_among(address: Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in networks)
