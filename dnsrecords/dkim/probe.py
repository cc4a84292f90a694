"""Signs a message and verifies it by what is published, as another mail server would. The only module with dkimpy."""

from __future__ import annotations

import base64

import dkim  # type: ignore[import-untyped]
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_PROBE = b"From: postmaster@%s\r\nTo: postmaster@%s\r\nSubject: Probe\r\n\r\nIs this signature valid?\r\n"


def verifies(private_pem: str, domain: str, selector: str, published: str) -> bool:
    """Whether mail that this key signs verifies by this record.

    Args:
        published: the TXT record at the selector, as one string.
    """
    message = _PROBE % (domain.encode(), domain.encode())
    key, algorithm = _as_dkimpy_wants_it(private_pem)
    try:
        signature = dkim.sign(
            message, selector.encode(), domain.encode(), key,
            include_headers=[b"from", b"to", b"subject"], signature_algorithm=algorithm,
        )  # fmt: skip
        return bool(dkim.verify(signature + message, dnsfunc=lambda *_, **__: published.encode("latin-1")))
    except dkim.DKIMException:
        return False


def _as_dkimpy_wants_it(private_pem: str) -> tuple[bytes, bytes]:
    """The key, of Ed25519 its bare bytes in base64, and the algorithm that it signs with."""
    key = load_pem_private_key(private_pem.encode(), password=None)
    if isinstance(key, Ed25519PrivateKey):
        return base64.b64encode(key.private_bytes_raw()), b"ed25519-sha256"
    return private_pem.encode(), b"rsa-sha256"
