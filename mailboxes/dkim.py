"""DKIM key pairs. Pure."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

#: RFC 8301 asks for 2048; a longer key's record does not fit into one answer everywhere.
KEY_SIZE = 2048


@dataclass(frozen=True)
class KeyPair:
    """What signs (PEM, PKCS#8), and what stands in the DNS record's ``p=``."""

    private_pem: str = field(repr=False)
    public_base64: str


def generate() -> KeyPair:
    """A new RSA key pair."""
    return _pair(generate_private_key(public_exponent=65537, key_size=KEY_SIZE))


def from_pem(private_pem: str) -> KeyPair:
    """The pair of a private key that exists, in our form.

    Raises:
        ValueError: a sentence saying why it is no usable RSA key.
    """
    try:
        key = load_pem_private_key(private_pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise ValueError("This is not a private key in PEM form without a passphrase.") from exc
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("Only RSA keys can sign here.")
    if key.key_size < 1024:
        raise ValueError(f"The key has {key.key_size} bits: receivers ignore less than 1024 (RFC 8301).")
    return _pair(key)


def _pair(key: RSAPrivateKey) -> KeyPair:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(pem.decode("ascii"), _public(key.public_key()))


def _public(key: RSAPublicKey) -> str:
    # SubjectPublicKeyInfo, which is what RFC 6376 §3.6.1 and every verifier means by p=.
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode("ascii")
