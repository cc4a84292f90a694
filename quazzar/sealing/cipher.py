"""Seals and unseals bytes with AES-256-GCM under a ring of keys. No Django, no files, no database.

A sealed blob is: version (1 byte), key id (4), nonce (12), ciphertext and tag (16 more than the plaintext).
Version and key id are the header; header + context are authenticated, so that a blob that is copied to
another place, or whose header is changed, does not open.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quazzar.errors import Unreadable

KEY_BYTES = 32
VERSION = b"\x01"
#: Version and key id.
HEADER_BYTES = 5
NONCE_BYTES = 12
#: Header and nonce: no two blobs share them, so they identify a blob.
PREFIX_BYTES = HEADER_BYTES + NONCE_BYTES
_SHORTEST = PREFIX_BYTES + 16

_ALTERED = "The stored bytes of this secret were changed, or were sealed for another field. Enter it again."


class KeyRing:
    """Keys in order: the first one seals, and each opens what it sealed.

    Raises:
        ValueError: there is no key, a key does not have 32 bytes, or two keys have the same id.
    """

    __slots__ = ("_ciphers", "_keys", "cipher", "header")

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(dict.fromkeys(keys))
        if not self._keys:
            raise ValueError("a key ring needs at least one key")
        if any(len(key) != KEY_BYTES for key in self._keys):
            raise ValueError(f"a key must have {KEY_BYTES} bytes")
        # Made once, because the key schedule costs more than sealing a password.
        self._ciphers = {VERSION + id_of_key(key): AESGCM(key) for key in self._keys}
        if len(self._ciphers) != len(self._keys):
            raise ValueError("two keys have the same id")
        #: The cipher that opens blobs with this header, or None: its key is not in the ring.
        self.cipher: Callable[[bytes], AESGCM | None] = self._ciphers.get
        #: The first bytes of each blob that is sealed with this ring.
        self.header = VERSION + id_of_key(self._keys[0])

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The keys themselves, for the key file only."""
        return self._keys

    def derived(self, purpose: str) -> tuple[bytes, ...]:
        """A key for each key of the ring, in order, for something other than sealing; none tells anything about the
        ring."""
        return tuple(
            hmac.digest(key, b"quazzar derived key: " + purpose.encode(), "sha256") for key in self._keys
        )

    @property
    def headers(self) -> tuple[bytes, ...]:
        """The header of each key, in order."""
        return tuple(self._ciphers)

    def with_new_key(self) -> "KeyRing":
        """The same ring with a fresh random key in front."""
        while True:
            key = secrets.token_bytes(KEY_BYTES)
            if VERSION + id_of_key(key) not in self._ciphers:
                return KeyRing((key, *self._keys))

    def keeping(self, headers: set[bytes]) -> "KeyRing":
        """The ring with only its first key and the keys with these headers."""
        rest = [key for key in self._keys[1:] if VERSION + id_of_key(key) in headers]
        return KeyRing((self._keys[0], *rest))

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[bytes]:
        return (id_of_key(key) for key in self._keys)

    def __repr__(self) -> str:
        return f"<KeyRing {' '.join(key_id.hex() for key_id in self)}>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a key ring cannot be pickled")


def id_of_key(key: bytes) -> bytes:
    """The key's id: the first four bytes of its SHA-256."""
    return hashlib.sha256(key).digest()[:4]


def seal(plaintext: bytes, context: str, ring: KeyRing) -> bytes:
    """The plaintext, sealed with the ring's first key for this context."""
    header = ring.header
    cipher = ring.cipher(header)
    assert cipher is not None
    nonce = os.urandom(NONCE_BYTES)
    return header + nonce + cipher.encrypt(nonce, plaintext, header + context.encode())


def unseal(blob: bytes, context: str, ring: KeyRing, former_contexts: Sequence[str] = ()) -> bytes:
    """The plaintext of a blob that was sealed for this context, or for one of the former ones.

    Args:
        former_contexts: places that secrets have moved here from, blobs unchanged.

    Raises:
        Unreadable: its key is not in the ring, it was altered, or it was sealed for another context.
    """
    header = blob[:HEADER_BYTES]
    cipher = ring.cipher(header)
    if cipher is None or len(blob) < _SHORTEST:
        _header(blob)  # raises with another sentence if it is not a blob at all
        raise Unreadable
    sealed = memoryview(blob)[PREFIX_BYTES:]  # a body may have megabytes: not copied
    for candidate in (context, *former_contexts):
        try:
            return cipher.decrypt(blob[HEADER_BYTES:PREFIX_BYTES], sealed, header + candidate.encode())
        except InvalidTag:
            continue
    raise Unreadable(_ALTERED)


def reseal(blob: bytes, context: str, ring: KeyRing, former_contexts: Sequence[str] = ()) -> bytes:
    """The blob under the ring's first key; the very same blob when that key sealed it already.

    Raises:
        Unreadable: as ``unseal``.
    """
    if _header(blob) == ring.header:
        return blob
    return seal(unseal(blob, context, ring, former_contexts), context, ring)


def key_id(blob: bytes) -> bytes:
    """The id of the key that sealed the blob.

    Raises:
        Unreadable: it is not a sealed blob.
    """
    return _header(blob)[1:]


def _header(blob: bytes) -> bytes:
    if len(blob) < _SHORTEST or blob[:1] != VERSION:
        raise Unreadable(_ALTERED)
    return blob[:HEADER_BYTES]
