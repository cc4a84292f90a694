"""Rules for the settings of a domain's publisher; each returns the value to store, or raises a sentence. Pure."""

from __future__ import annotations

import base64
import binascii
import ipaddress

from dnsrecords.names import within
from mailboxes.provisioning import addresses

#: Of TSIG; HMAC-MD5 and HMAC-SHA1 are not to be used any more (RFC 8945 §6).
ALGORITHMS = ("hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512")
_SHORTEST_SECRET = 16
#: The place that the secret of a TSIG key is used at; a change of any of these needs the secret again.
SECRET_PLACE = ("server", "port", "key_name", "algorithm")
PLACE_CHANGED = "The saved secret was entered for another name server or key. Enter the secret for this one."


def server(text: str) -> str:
    """An IP address, or a name, without a final dot.

    Raises:
        ValueError: it is neither.
    """
    host = text.strip()
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        pass
    try:
        return addresses.domain(host.rstrip("."))
    except ValueError:
        raise ValueError("Enter the IP address or the name of the zone's primary name server.") from None


def port(number: object) -> int:
    """A port from 1 to 65535.

    Raises:
        ValueError: it is not a whole number in that range.
    """
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 65535:
        raise ValueError("The port must be a number from 1 to 65535.")
    return number


def zone(text: str, domain: str) -> str:
    """The zone that the domain's records are in; empty for the domain's own.

    Raises:
        ValueError: the domain is not inside it.
    """
    name = text.strip().rstrip(".").lower()
    if name in ("", domain):
        return ""
    if not within(domain, name):
        raise ValueError(f"The zone must be {domain} or a zone that contains it.")
    return name


def key_name(text: str) -> str:
    """The name of a TSIG key: a name in DNS, of one label or more.

    Raises:
        ValueError: the text is no such name.
    """
    name = text.strip().rstrip(".").lower()
    labels = name.split(".")
    fits = all(0 < len(label) < 64 and label.replace("-", "").replace("_", "").isalnum() for label in labels)
    if not fits or not name.isascii() or len(name) > 253:
        raise ValueError("Enter the key's name as the name server has it: letters, digits, hyphens and dots.")
    return name


def algorithm(text: str) -> str:
    """One of `ALGORITHMS`.

    Raises:
        ValueError: it is none of them.
    """
    name = text.strip().rstrip(".").lower()
    if name not in ALGORITHMS:
        raise ValueError(f"Choose one of {', '.join(ALGORITHMS)}; MD5 and SHA-1 are no longer safe.")
    return name


def secret(text: str) -> str:
    """Base64 of at least 16 bytes.

    Raises:
        ValueError: it is something else; the sentence does not repeat it.
    """
    encoded = "".join(text.split())
    try:
        size = len(base64.b64decode(encoded, validate=True))
    except binascii.Error:
        size = 0
    if size < _SHORTEST_SECRET:
        raise ValueError("Enter the secret as the name server has it: base64 of 16 bytes or more.")
    return encoded
