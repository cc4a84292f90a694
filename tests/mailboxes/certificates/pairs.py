"""Certificates as an authority gives them, with any validity."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

KEY, AUTHORITY_KEY = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


def pair(hostname: str, start: datetime, end: datetime) -> tuple[str, str]:
    """A chain of two certificates in PEM, the leaf first, and the leaf's key."""
    leaf, authority = (_signed(name, start, end) for name in (hostname, "CA"))
    key = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return leaf + authority, key.decode()


def _signed(name: str, start: datetime, end: datetime) -> str:
    is_authority = name == "CA"
    builder = x509.CertificateBuilder(
        subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
        issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")]),
        public_key=(AUTHORITY_KEY if is_authority else KEY).public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=start,
        not_valid_after=end,
    ).add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(AUTHORITY_KEY, hashes.SHA256()).public_bytes(Encoding.PEM).decode()
