"""Operators' password hashes, a few at a time: each takes 100 MB and a core, and anybody may ask for one at sign-in."""

from __future__ import annotations

from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from django.contrib.auth import hashers

from quazzar.errors import TooBusy

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Hashes computed at once in a process.
AT_ONCE = 2
#: Requests that may wait for their turn. More would block every thread of the web process.
WAITING = 4

_turns = BoundedSemaphore(AT_ONCE)
_places = BoundedSemaphore(AT_ONCE + WAITING)


@contextmanager
def turn() -> Iterator[None]:
    """Wait for a turn to compute a hash.

    Raises:
        TooBusy: enough others wait already.
    """
    if not _places.acquire(blocking=False):
        raise TooBusy
    try:
        with _turns:
            yield
    finally:
        _places.release()


class Argon2(hashers.Argon2PasswordHasher):
    """Django's Argon2, in turn; each method raises TooBusy."""

    def encode(self, password: str, salt: str) -> str:
        """The encoded hash of a password."""
        with turn():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        """Whether it is this password."""
        with turn():
            return super().verify(password, encoded)


class PBKDF2(hashers.PBKDF2PasswordHasher):
    """Django's PBKDF2, in turn. Its verify() calls encode(), which raises TooBusy."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """The encoded hash of a password."""
        with turn():
            return super().encode(password, salt, iterations)
