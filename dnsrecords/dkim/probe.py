"""Signs a message and verifies it by the published record, as another mail server would. The only user of dkimpy."""

from __future__ import annotations

import base64

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_PROBE = b"From: postmaster@%s\r\nTo: postmaster@%s\r\nSubject: Probe\r\n\r\nIs this signature valid?\r\n"


def verifies(private_pem: str, domain: str, selector: str, published: str) -> bool:
    """Whether mail that the key signs verifies by the published record.

    Args:
        private_pem: RSA or Ed25519, PKCS#8.
        published: the TXT record of the selector, as one string.
    """
    message = _PROBE % (domain.encode(), domain.encode())
    key, algorithm = _for_dkimpy(private_pem)
    try:
        signature = dkim.sign(
            message,
            selector.encode(),
            domain.encode(),
            key,
            include_headers=[b"from", b"to", b"subject"],
            signature_algorithm=algorithm,
        )
        return bool(dkim.verify(signature + message, dnsfunc=lambda *_, **__: published.encode("latin-1")))
    except dkim.DKIMException:
        return False


def _for_dkimpy(private_pem: str) -> tuple[bytes, bytes]:
    """The key as dkimpy expects it (PEM for RSA, the bare bytes in base64 for Ed25519), and its algorithm."""
    key = load_pem_private_key(private_pem.encode(), password=None)
    if isinstance(key, Ed25519PrivateKey):
        return base64.b64encode(key.private_bytes_raw()), b"ed25519-sha256"
    return private_pem.encode(), b"rsa-sha256"
