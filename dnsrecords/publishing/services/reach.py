"""Which name servers publishing connects to: it must not give access to what only the node can reach.

Pure, but for `from_settings`.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias

from django.conf import settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network

    Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

#: DNS, DNS over TLS, DNS over HTTPS.
PORTS = (53, 853, 443)
_VARIABLE = "QUAZZAR_DNS_PRIMARIES"
#: Where clouds tell a machine its secrets, besides 169.254.169.254, which is link-local: AWS and Google (IPv6),
#: Alibaba, Azure, Oracle.
_METADATA = frozenset(
    map(ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd20:ce::254"))
)
#: Prefixes that hold an IPv4 address in their last 32 bits: RFC 4291 §2.5.5, RFC 6052 §2.1, RFC 2765 §2.1.
_EMBEDDING = tuple(map(IPv6Network, ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")))


@dataclass(frozen=True)
class Reach:
    """What the operator of this machine allows.

    Attributes:
        named: networks in which every address and port may be asked.
    """

    named: tuple[Network, ...] = ()

    @classmethod
    def from_settings(cls) -> Reach:
        """What the variables name. A resolver on this machine says that name servers on it are meant."""
        resolvers = [_address(text) for text in settings.QUAZZAR_DNS_RESOLVERS]
        own = [ip_network("127.0.0.0/8"), ip_network("::1")] if any(map(_is_loopback, resolvers)) else []
        return cls((*settings.QUAZZAR_DNS_PRIMARIES, *map(ip_network, resolvers), *own))

    def objection(self, address: str, port: int) -> str:
        """Why the node does not connect there, in a sentence; empty: it does."""
        found = _plain(ip_address(address.partition("%")[0]))
        if any(found in network for network in self.named):
            return ""
        if kind := _special(found):
            return f"{address} is {kind}. This node only publishes there if {_VARIABLE} names it."
        if port not in PORTS:
            return (
                f"Port {port} is not one that name servers use (53, 853 or 443). This node only connects "
                f"there if {_VARIABLE} names {address}."
            )
        return ""

    def allowed(self, addresses: Iterable[str], port: int) -> tuple[list[str], str]:
        """Those of a name's addresses that may be connected to, and the first objection to another."""
        objections = {address: self.objection(address, port) for address in addresses}
        return (
            [address for address, objection in objections.items() if not objection],
            next(filter(None, objections.values()), ""),
        )


def _plain(address: Address) -> Address:
    """The IPv4 address within an IPv6 one, where it leads to that."""
    if isinstance(address, IPv6Address) and int(address) > 1 and any(address in each for each in _EMBEDDING):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if isinstance(address, IPv6Address) and address.sixtofour:
        return address.sixtofour
    return address


def _special(address: Address) -> str:
    if _is_loopback(address) or address.is_unspecified:
        return "an address of this node itself"
    if address.is_link_local or address in _METADATA:
        return "a link-local or metadata address"
    if address.is_multicast or address == IPv4Address("255.255.255.255"):
        return "an address of many machines"
    return ""


def _is_loopback(address: Address) -> bool:
    return _plain(address).is_loopback


def _address(text: str) -> Address:
    """The address of a resolver, which may have a port."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return ip_address(text)
