"""A stream of bytes under a passphrase: written and read in chunks, so that neither memory nor disk limits its size.

Format 1: the line ``QUAZZAR BACKUP 1``, a salt of 16 bytes, 16 bytes by which a wrong passphrase is recognised, then
chunks of 1 MiB (the last one is shorter or equal), each followed by its tag of 16 bytes. Scrypt (RFC 7914) with N=2^17,
r=8, p=1 makes 64 bytes of the passphrase and the salt: a key for AES-256-GCM (NIST SP 800-38D), and a secret whose hash
is the 16 bytes of the header. The nonce of a chunk is its number (11 bytes, big-endian) and a byte that is 1 for the
last chunk, so chunks can be neither swapped nor left out ("STREAM", https://eprint.iacr.org/2015/189). The header is
authenticated with each chunk. No key is used for two files, because each file has a salt of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import os
from typing import TYPE_CHECKING, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from quazzar.backups.failures import BackupError, DamagedBackup, UnknownBackup, WrongPassphrase

if TYPE_CHECKING:
    from typing_extensions import Buffer

INTRO = b"QUAZZAR BACKUP "
MAGIC = INTRO + b"1\n"
CHUNK = 1024 * 1024
_SALT = _PROOF = _TAG = 16
_LOG_N, _R, _P = 17, 8, 1
#: Shorter ones can be guessed, however slow each guess is.
SHORTEST = 12
LONGEST = 1024


def check(passphrase: bytes) -> bytes:
    """The passphrase, if it may protect a backup.

    Raises:
        BackupError: it is too short or too long.
    """
    if not SHORTEST <= len(passphrase) <= LONGEST:
        raise BackupError(
            f"The passphrase must have {SHORTEST} to {LONGEST} bytes: it protects every secret of this node.",
            hint="Make one with: openssl rand -base64 24",
        )
    return passphrase


def _derive(passphrase: bytes, salt: bytes) -> tuple[AESGCM, bytes]:
    made = Scrypt(salt=salt, length=64, n=1 << _LOG_N, r=_R, p=_P).derive(passphrase)
    return AESGCM(made[:32]), hashlib.sha256(made[32:]).digest()[:_PROOF]


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


class SealingWriter(io.RawIOBase):
    """Seals what is written to it, and writes that to another file. Without ``finish`` the file counts as cut off."""

    def __init__(self, target: BinaryIO, passphrase: bytes) -> None:
        self._target = target
        salt = os.urandom(_SALT)
        self._cipher, proof = _derive(check(passphrase), salt)
        self._header = MAGIC + salt + proof
        self._waiting = bytearray()
        self._number = 0
        self._abandoned = False
        self.length = len(self._header)
        target.write(self._header)

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        """Takes all of the data."""
        view = memoryview(data)
        if self._abandoned:
            return view.nbytes
        self._waiting += view
        # One chunk is kept back, because the last one is marked.
        while len(self._waiting) > CHUNK:
            self._seal(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]
        return view.nbytes

    def finish(self) -> None:
        """Writes the last chunk; nothing can be written after it."""
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def abandon(self) -> None:
        """Writes nothing more: objects that still hold this file flush into it when they are collected."""
        self._abandoned = True
        self._waiting.clear()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        sealed = self._cipher.encrypt(_nonce(self._number, last=last), chunk, self._header)
        self._number += 1
        self.length += len(sealed)
        self._target.write(sealed)


class SealedReader(io.RawIOBase):
    """Opens what a ``SealingWriter`` has written. Nothing is handed out that has not been authenticated.

    Raises:
        DamagedBackup: the file is none of ours, was cut off, or was changed; also from ``read``.
        UnknownBackup: it has a newer format.
        WrongPassphrase: it was made with another passphrase.
    """

    def __init__(self, source: BinaryIO, passphrase: bytes) -> None:
        self._source = source
        intro = source.read(len(MAGIC))
        if not intro.startswith(INTRO):
            raise DamagedBackup("This file is not a backup of Quazzar.", hint="Choose another file.")
        if intro != MAGIC:
            raise UnknownBackup("This backup has a format that this release does not know.")
        rest = source.read(_SALT + _PROOF)
        if len(rest) < _SALT + _PROOF:
            raise DamagedBackup("The backup is cut off within its first bytes.")
        self._cipher, proof = _derive(passphrase, rest[:_SALT])
        if not hmac.compare_digest(proof, rest[_SALT:]):
            raise WrongPassphrase
        self._header = intro + rest
        self._number = 0
        self._opened = memoryview(b"")
        self._next = source.read(CHUNK + _TAG)
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, target: Buffer, /) -> int:
        """Fills as much of the target as one chunk can; 0 at the end."""
        while not self._opened and not self._ended:
            self._opened = memoryview(self._open())
        view = memoryview(target).cast("B")
        count = min(len(view), len(self._opened))
        view[:count] = self._opened[:count]
        self._opened = self._opened[count:]
        return count

    def _open(self) -> bytes:
        sealed, self._next = self._next, self._source.read(CHUNK + _TAG)
        last = not self._next
        try:
            chunk = self._cipher.decrypt(_nonce(self._number, last=last), sealed, self._header)
        except (InvalidTag, ValueError) as exc:
            raise DamagedBackup(self._why(sealed, last=last)) from exc
        self._number, self._ended = self._number + 1, last
        return chunk

    def _why(self, sealed: bytes, *, last: bool) -> str:
        if last:
            return f"The backup is cut off, or was changed, in chunk {self._number + 1}."
        return f"Chunk {self._number + 1} of the backup was changed or is damaged."
