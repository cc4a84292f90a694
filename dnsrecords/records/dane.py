"""TLSA records held against the chain that is served, as mail servers with DANE do it (RFC 7672, RFC 7671). Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dnsrecords.records import tlsa
from quazzar.certificates import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

#: Certificate usages that count for SMTP (RFC 7672 §3.1); of the other two nobody knows the authorities (§3.1.3).
TRUST_ANCHOR, END_ENTITY = 2, 3
_PKIX = (0, 1)
_DIGESTS = {1: hashlib.sha256, 2: hashlib.sha512}
_FIELDS = re.compile(r"(?P<numbers>[0-9]{1,3} [0-9]{1,3} [0-9]{1,3}) (?P<data>(?:[0-9a-f]{2})+)")


@dataclass(frozen=True, slots=True)
class Pin:
    """One record.

    Attributes:
        text: in its one spelling.
        unusable: why mail servers pass over it, as a clause; empty: they use it.
    """

    text: str
    usage: int = 0
    selector: int = 0
    matching: int = 0
    data: bytes = b""
    unusable: str = ""


def read(value: str) -> Pin:
    """Reads ``3 1 1 <hex>`` in any spelling."""
    fields = value.lower().split()
    text = " ".join([*fields[:3], "".join(fields[3:])])
    match = _FIELDS.fullmatch(text)
    if match is None:
        return Pin(text, unusable="it is not three numbers and hexadecimal digits")
    usage, selector, matching = map(int, match["numbers"].split(" "))
    data = bytes.fromhex(match["data"])
    return Pin(text, usage, selector, matching, data, _unusable(usage, selector, matching, data))


def _unusable(usage: int, selector: int, matching: int, data: bytes) -> str:
    if usage in _PKIX:
        return f"usage {usage} is not valid for mail (RFC 7672 §3.1.3)"
    if usage not in (TRUST_ANCHOR, END_ENTITY):
        return f"the usage {usage} is not defined"
    if selector not in (0, 1):
        return f"the selector {selector} is not defined"
    if matching not in (0, *_DIGESTS):
        return f"the matching type {matching} is not defined"
    if matching and len(data) != _DIGESTS[matching]().digest_size:
        return f"its digest has {len(data)} bytes instead of {_DIGESTS[matching]().digest_size}"
    return ""


def strongest(pins: Iterable[Pin]) -> tuple[Pin, ...]:
    """The usable records, of several digests the strongest: some servers with DANE use no other (RFC 7671 §9)."""
    usable = [pin for pin in pins if not pin.unusable]
    best: dict[tuple[int, int], int] = {}
    for pin in usable:
        kind = pin.usage, pin.selector
        best[kind] = max(best.get(kind, 0), pin.matching)
    return tuple(pin for pin in usable if pin.matching in (0, best[pin.usage, pin.selector]))


def matches(pin: Pin, certificate: str, hostname: str, now: datetime) -> bool:
    """Whether servers accept a chain because of a record.

    Args:
        certificate: PEM, as the mail server sends it: its own certificate first.
    """
    chain = _chain(certificate)
    if pin.unusable or not chain:
        return False
    if pin.usage == END_ENTITY:  # names and dates do not count (RFC 7672 §3.1.1)
        return _is_pinned(pin, chain[0])
    # For an authority they do (§3.1.2), and it has to have issued what comes before it.
    anchored = any(_is_pinned(pin, authority) for authority in chain[1:]) or _issued_by(pin, chain[-1])
    return anchored and not tlsa.objection(certificate, hostname, now)


@lru_cache(maxsize=8)
def _chain(certificate: str) -> tuple[x509.Certificate, ...]:
    """The certificates as far as each was issued by the one after it."""
    try:
        found = x509.load_pem_x509_certificates(certificate.encode("utf-8", "replace"))
    except UNREADABLE:
        return ()
    chain = found[:1]
    for authority in found[1:]:
        if not _issued(authority, chain[-1]):
            break
        chain.append(authority)
    return tuple(chain)


def _issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_pinned(pin: Pin, certificate: x509.Certificate) -> bool:
    content = _content(certificate, pin.selector)
    return pin.data == (_DIGESTS[pin.matching](content).digest() if pin.matching else content)


def _content(certificate: x509.Certificate, selector: int) -> bytes:
    if selector == 0:
        return certificate.public_bytes(Encoding.DER)
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except UNREADABLE:
        return b""


def _issued_by(pin: Pin, certificate: x509.Certificate) -> bool:
    """A record with a whole certificate brings the authority along, so that the server need not send it."""
    if (pin.selector, pin.matching) != (0, 0):
        return False
    try:
        return _issued(x509.load_der_x509_certificate(pin.data), certificate)
    except UNREADABLE:
        return False
