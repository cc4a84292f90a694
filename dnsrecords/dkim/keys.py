"""Says in words how a published public key differs from the wanted one. Keys are in base64. Pure."""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

#: An RSA-512 private key has about 320 bytes; the bare 32 bytes of an Ed25519 key can be either half.
_SHORTEST_PRIVATE = 40
#: Two RSA keys never start with this many equal characters; the first 44 only say what kind of key it is.
_SAME_START = 100


def is_private(key: str) -> bool:
    """Whether the key is the private half of a key pair, in DER."""
    der = _decoded(key)
    if len(der) < _SHORTEST_PRIVATE:
        return False
    try:
        serialization.load_der_private_key(der, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def difference(wanted: str, published: str) -> str:
    """What is wrong with the published key: a clause that follows "The key that is published"."""
    if '"' in published or "\\" in published:
        return "contains quotes or backslashes that belong to another notation"
    if published.lower() == wanted.lower():
        return "has lost its upper and lower case letters"
    if wanted.startswith(published):
        at, of = len(published), len(wanted)
        return f"is cut off after {at} of {of} characters (often at 255, where it has to be split)"
    if published.startswith(wanted):
        return f"has extra text after its end: {published[len(wanted) :][:20]!a}"
    same = _equal_at_start(wanted, published)
    if same >= _SAME_START:
        return f"starts like this node's key, but is damaged from character {same + 1} of p= onwards"
    der = _decoded(published)
    if len(der) > _SAME_START and _decoded(wanted).endswith(der):
        return "lacks its first bytes, which tell the type of the key"
    return f"is not the key this node signs with{_kind(der)}"


def _equal_at_start(first: str, second: str) -> int:
    """How many characters both texts start with."""
    pairs = zip(first, second, strict=False)
    different = (at for at, (left, right) in enumerate(pairs) if left != right)
    return next(different, min(len(first), len(second)))


def _kind(der: bytes) -> str:
    """The size of a key that is RSA too, in parentheses; otherwise empty."""
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        return ""
    return f" (it is another RSA key, of {key.key_size} bits)" if isinstance(key, rsa.RSAPublicKey) else ""


def _decoded(key: str) -> bytes:
    """The bytes of the key; empty if it is not base64."""
    try:
        return base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return b""
