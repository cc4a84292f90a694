"""What a sealed field's attribute holds: a secret that does not show itself, or one that does not open."""

from __future__ import annotations

import hmac
from typing import Any, Generic, NoReturn

from typing_extensions import TypeVar

from quazzar.errors import SealError, Unreadable
from quazzar.sealing import cipher as sealing
from quazzar.sealing import keyring

T = TypeVar("T", str, bytes, default=str)


class Sealed(Generic[T]):
    """A secret in memory. It shows as ``<sealed>`` wherever it is printed, and is no ``str``.

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
            Unreadable: it cannot be opened.
        """
        return self._secret

    def blob(self, context: str) -> bytes:
        """What to store: the bytes it came with, unless they are of another context or key; then sealed anew.

        Raises:
            Unreadable: it cannot be opened, and its bytes belong to another context.
            KeyFileError: there is no usable key.
        """
        ring = keyring.current()
        if self._blob is not None and self._context == context and self._blob.startswith(ring.header):
            return self._blob
        return sealing.seal(as_bytes(self._secret), context, ring)

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
    """A stored secret that does not open. It keeps its bytes: saving its row loses nothing.

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
        """Never.

        Raises:
            Unreadable: always.
        """
        raise Unreadable(self.reason.message, hint=self.reason.hint) from self.reason

    def blob(self, context: str) -> bytes:
        """The bytes it came with.

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
    """Text as UTF-8; anything like bytes as bytes."""
    return value.encode() if isinstance(value, str) else bytes(value)


def as_text(value: str | bytes) -> str:
    """Bytes read as UTF-8; text as it is.

    Raises:
        ValueError: it is no UTF-8.
    """
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        # Not chained: that error carries the secret.
        raise ValueError("a sealed text must be UTF-8") from None
