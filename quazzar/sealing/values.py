"""What the attribute of a sealed field holds: a secret that is never shown by accident, or one that does not open."""

from __future__ import annotations

import hmac
from typing import Any, Generic, NoReturn

from typing_extensions import TypeVar

from quazzar.errors import SealError, Unreadable
from quazzar.sealing import keyring

T = TypeVar("T", str, bytes, default=str)


class Sealed(Generic[T]):
    """A secret in memory. Printed, logged or formatted it is ``<sealed>``; it is not a ``str``.

    Attributes:
        readable: whether ``reveal`` works.
    """

    __slots__ = ("_blob", "_context", "_secret")
    _secret: T
    readable = True

    def __init__(self, secret: T, context: str = "", blob: bytes | None = None) -> None:
        self._secret = secret
        self._context = context
        self._blob = blob

    def reveal(self) -> T:
        """The secret itself.

        Raises:
            Unreadable: it does not open (only an ``Unsealable`` does that).
        """
        return self._secret

    def reusable_blob(self, context: str) -> bytes | None:
        """The bytes that the secret was read from, if they can be stored again as they are: sealed for this context
        and under the key file's first key. None if it must be sealed again.

        Raises:
            Unreadable: it cannot be opened, and its bytes belong to another context.
            KeyFileError: there is no usable key.
        """
        if self._blob is None or self._context != context:
            return None
        return self._blob if self._blob.startswith(keyring.current().header) else None

    def __str__(self) -> str:
        return "<sealed>"

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sealed) or not other.readable:
            return NotImplemented
        return hmac.compare_digest(as_bytes(self._secret), as_bytes(other._secret))

    def __hash__(self) -> int:
        return hash(type(self))  # tells nothing about the secret

    def __copy__(self) -> Sealed[T]:
        return self

    def __deepcopy__(self, memo: object) -> Sealed[T]:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a sealed value cannot be pickled")


class Unsealable(Sealed[T]):
    """A stored secret that does not open. It keeps its bytes, so saving its row loses nothing.

    Attributes:
        reason: the error that ``reveal`` raises.
    """

    __slots__ = ("reason",)
    readable = False

    def __init__(self, blob: bytes, *, context: str, reason: SealError) -> None:
        self._blob = blob
        self._context = context
        self.reason = reason

    def reveal(self) -> NoReturn:
        """Refuse: there is nothing to reveal.

        Raises:
            Unreadable: always; its message and hint say why it does not open.
        """
        raise Unreadable(self.reason.message, hint=self.reason.hint) from self.reason

    def reusable_blob(self, context: str) -> bytes:
        """The bytes that it was read from: once the key is back, they can be opened.

        Raises:
            Unreadable: they belong to another context, where they would never open.
        """
        if self._blob is None or context != self._context:
            self.reveal()
        return self._blob

    def __str__(self) -> str:
        return "<unreadable>"

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Unsealable):
            return NotImplemented
        return (self._blob, self._context) == (other._blob, other._context)

    __hash__ = Sealed.__hash__


def as_bytes(value: Any) -> bytes:
    """Text encoded as UTF-8; bytes, bytearray or memoryview as bytes."""
    return value.encode() if isinstance(value, str) else bytes(value)


def as_text(value: str | bytes) -> str:
    """Bytes decoded as UTF-8; text unchanged.

    Raises:
        ValueError: the bytes are not UTF-8.
    """
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        # Not chained: that error carries the secret.
        raise ValueError("a sealed text must be UTF-8") from None
