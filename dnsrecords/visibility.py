"""Which addresses others on the Internet can see. Pure."""

from __future__ import annotations

import ipaddress

#: Networks whose addresses mean something else to each site (RFC 1918, 6598, 3927, 4193, 4291), or are nobody's. Those
#: of examples and of the machine itself are not among them: no resolver gives them in place of a public one.
_OF_A_SITE = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
        *("224.0.0.0/3", "::/128", "fc00::/7", "fe80::/9", "ff00::/8"),
    )
)


def is_visible(text: str) -> bool:
    """Whether others can see an address; what is no address counts as visible, and is refused elsewhere."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return True
    address = (address.version == 6 and address.ipv4_mapped) or address
    return not any(address in network for network in _OF_A_SITE if network.version == address.version)
