"""How one public key in base64 differs from another, in words. Pure."""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

#: An RSA-512 private key has about 320 bytes; the bare 32 bytes of an Ed25519 key can be either half.
_SHORTEST_PRIVATE = 40
#: Two RSA keys never have this many characters in common: their first 44 only say what they are.
_SAME_START = 100


def is_private(key: str) -> bool:
    """Whether it is the private half of a key pair, in DER."""
    der = _decoded(key)
    if len(der) < _SHORTEST_PRIVATE:
        return False
    try:
        serialization.load_der_private_key(der, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def difference(wanted: str, found: str) -> str:
    """What is the matter with the found key: a clause that follows "The key that is published"."""
    if '"' in found or "\\" in found:
        return "contains quotes or backslashes that belong to another notation"
    if found.lower() == wanted.lower():
        return "has lost its upper and lower case letters"
    if wanted.startswith(found):
        return f"is cut off after {len(found)} of {len(wanted)} characters (often at 255, where it has to be split)"
    if found.startswith(wanted):
        return f"goes on after its end with {found[len(wanted) :][:20]!a}"
    same = _same_start(wanted, found)
    if same >= _SAME_START:
        return f"starts like this node's, but is damaged from character {same + 1} of p= on"
    der = _decoded(found)
    if len(der) > _SAME_START and _decoded(wanted).endswith(der):
        return "lacks its first bytes, which say what kind of key it is"
    return f"is not the one that this node signs with{_kind(der)}"


def _same_start(one: str, other: str) -> int:
    """How many characters both start with."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))


def _kind(der: bytes) -> str:
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        return ""
    return f" (it is another RSA key, of {key.key_size} bits)" if isinstance(key, rsa.RSAPublicKey) else ""


def _decoded(key: str) -> bytes:
    """The bytes of a key; none if it is no base64."""
    try:
        return base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return b""
