"""DKIM key pairs (RFC 6376). Pure."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

#: RFC 8301 §3.2: signers SHOULD use 2048 bits; 4096 would not fit into one DNS string of common size.
BITS = 2048


@dataclass(frozen=True)
class KeyPair:
    """A key pair.

    Attributes:
        private_pem: PKCS#8.
        public_base64: SubjectPublicKeyInfo, as it stands in the record's ``p=``.
    """

    private_pem: str = field(repr=False)
    public_base64: str


def generate() -> KeyPair:
    """A new RSA key pair; takes a tenth of a second or more."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=BITS)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return KeyPair(private.decode(), base64.b64encode(public).decode())
