"""The mail server's certificate as other servers see it: its TLSA pin, and why they would refuse it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization

from quazzar import words
from quazzar.certificates import UNREADABLE

if TYPE_CHECKING:
    from datetime import datetime


def pin(certificate: str) -> str:
    """The pin of the server's own key by SHA-256, ``3 1 1 <hex>`` (RFC 7672 §3.1.1); empty: no certificate can be read.

    Args:
        certificate: PEM, the server's own certificate first.
    """
    leaf = _leaf(certificate)
    if leaf is None:
        return ""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(
        leaf.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return f"3 1 1 {digest.finalize().hex()}"


def objection(certificate: str, hostname: str, now: datetime) -> str:
    """Why a server that insists on a valid certificate (RFC 8461 §4.2) would not accept this one; empty: it would.

    Whether others trust its authority is not known here.
    """
    leaf = _leaf(certificate)
    if leaf is None:
        return "the mail server has no certificate yet"
    if _is_self_signed(leaf):
        return "the mail server's certificate is self-signed"
    if leaf.not_valid_after_utc <= now:
        return f"the mail server's certificate expired on {words.day(leaf.not_valid_after_utc)}"
    if leaf.not_valid_before_utc > now:
        return f"the mail server's certificate is not valid before {words.day(leaf.not_valid_before_utc)}"
    if not any(_covers(name, hostname) for name in _names(leaf)):
        return f"the mail server's certificate is not valid for {hostname}"
    return ""


def _leaf(certificate: str) -> x509.Certificate | None:
    try:
        leaf = x509.load_pem_x509_certificates(certificate.encode("utf-8", "replace"))[0]
        # Parsed when it is first read.
        leaf.public_key()
    except UNREADABLE:
        return None
    return leaf


def _is_self_signed(leaf: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(leaf)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, *UNREADABLE):
        return []
    return names.value.get_values_for_type(x509.DNSName)


def _covers(name: str, hostname: str) -> bool:
    """A wildcard stands for the whole first label, and for nothing else (RFC 6125 §6.4.3)."""
    if name.startswith("*."):
        return hostname.partition(".")[2].lower() == name[2:].lower()
    return name.lower() == hostname.lower()
