"""Tar streams in portions, as the Docker Engine sends and takes them. Pure."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLOCK = 1024 * 1024


class Portions(io.RawIOBase):
    """Portions of bytes as a file that is read once."""

    def __init__(self, portions: Iterator[bytes]) -> None:
        self._portions = portions
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any, /) -> int:
        """Fills as much of the target as one portion can; 0 at the end."""
        while not self._rest:
            portion = next(self._portions, None)
            if portion is None:
                return 0
            self._rest = memoryview(portion)
        view = memoryview(target)
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def unpacked(portions: Iterator[bytes]) -> Iterator[tuple[tarfile.TarInfo, Any]]:
    """The members of a tar stream, each with a file to read its content from before the next one.

    Raises:
        tarfile.TarError: it is none, or was cut off.
    """
    with tarfile.open(
        fileobj=io.BufferedReader(Portions(portions), _BLOCK), mode="r|", bufsize=_BLOCK
    ) as tar:
        for info in tar:
            yield info, tar.extractfile(info) if info.isreg() else io.BytesIO()


def packed(members: Iterable[tuple[tarfile.TarInfo, Any]]) -> Iterator[bytes]:
    """A tar stream of members and their contents."""
    for info, content in members:
        yield info.tobuf(tarfile.PAX_FORMAT)
        if info.isreg():
            while block := content.read(_BLOCK):
                yield block
            yield b"\0" * (-info.size % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)
