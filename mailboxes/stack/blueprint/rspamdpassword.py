"""Hashes the password of Rspamd's web interface as Rspamd does: PBKDF2 with keyed BLAKE2b. Pure.

The format ``$1$salt$key`` is that of ``rspamadm pw --type pbkdf2``; Rspamd accepts it since version 1.3.
"""

from __future__ import annotations

from hashlib import blake2b

# Rspamd fixes all three; the hash does not carry them.
_ROUNDS = 16_000
_SALT_BYTES = 20
_KEY_BYTES = 32
_ALPHABET = "ybndrfg8ejkmcpqxot1uwisza345h769"
#: A key that no password produces.
_NOBODY = bytes(_KEY_BYTES)
_OUR_SALT = b"quazzar rspamd controller"


def hash_password(password: str) -> str:
    """The hash. Equal passwords give equal hashes, because the file that holds it is compared by its digest.

    An empty password gives a hash that no password matches: without any hash, Rspamd would let everyone in.
    """
    secret = password.encode()
    # Derived as slowly as the key, so that it does not help to guess the password.
    salt = _derive(secret, _OUR_SALT)[:_SALT_BYTES]
    key = _derive(secret, salt) if secret else _NOBODY
    return f"$1${_base32(salt)}${_base32(key)}"


def _derive(secret: bytes, salt: bytes) -> bytes:
    """The first block of PBKDF2 (RFC 8018, section 5.2), with BLAKE2b keyed by the secret as its function."""
    if len(secret) > blake2b.MAX_KEY_SIZE:
        secret = blake2b(secret).digest()
    state = blake2b(key=secret)
    total = 0
    block = salt + (1).to_bytes(4, "big")
    for _ in range(_ROUNDS):
        step = state.copy()
        step.update(block)
        block = step.digest()
        total ^= int.from_bytes(block, "big")
    return total.to_bytes(len(block), "big")[:_KEY_BYTES]


def _base32(data: bytes) -> str:
    """Rspamd's base32: the lowest bits come first, and the alphabet is that of z-base-32."""
    bits = int.from_bytes(data, "little")
    return "".join(_ALPHABET[bits >> shift & 31] for shift in range(0, len(data) * 8, 5))
