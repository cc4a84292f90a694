"""Rspamd's own hash of its controller's password: PBKDF2 with keyed BLAKE2b. Pure.

Its format ``$1$salt$key`` is what ``rspamadm pw --type pbkdf2`` prints, and what every version since 1.3 takes.
"""

from __future__ import annotations

from hashlib import blake2b

# All three are fixed in Rspamd; none stands in the hash.
_ROUNDS = 16_000
_SALT_BYTES = 20
_KEY_BYTES = 32
_ALPHABET = "ybndrfg8ejkmcpqxot1uwisza345h769"
#: The key of no password that anybody can find.
_NOBODY = bytes(_KEY_BYTES)
_OUR_SALT = b"quazzar rspamd controller"


def hash_password(password: str) -> str:
    """The hash; the same password always gives the same one, because it stands in a file that is compared.

    An empty password gives a hash that no password fits: Rspamd takes an absent one as "let everybody in".
    """
    secret = password.encode()
    # Derived as slowly as the key, so that it helps nobody who guesses.
    salt = _derive(secret, _OUR_SALT)[:_SALT_BYTES]
    key = _derive(secret, salt) if secret else _NOBODY
    return f"$1${_base32(salt)}${_base32(key)}"


def _derive(secret: bytes, salt: bytes) -> bytes:
    """The first block of PBKDF2 (RFC 8018, section 5.2); BLAKE2b with the secret as its key is the function."""
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
    """Rspamd's: the bits of each byte go in from the lowest, and the alphabet is zbase32's."""
    bits = int.from_bytes(data, "little")
    return "".join(_ALPHABET[bits >> shift & 31] for shift in range(0, len(data) * 8, 5))
