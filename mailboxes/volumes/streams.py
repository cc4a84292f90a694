"""Tar streams in portions, as the Docker Engine sends and takes them. Pure."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLOCK = 1024 * 1024


#: A tar stream ends with two blocks of zeros (POSIX, pax, "ustar Interchange Format").
_END = b"\0" * (2 * tarfile.BLOCKSIZE)


class Portions(io.RawIOBase):
    """Portions of bytes as a file that is read once.

    Attributes:
        tail: the last bytes that were read, as many as mark the end of a tar stream.
    """

    def __init__(self, portions: Iterator[bytes]) -> None:
        self._portions = portions
        self._rest = memoryview(b"")
        self.tail = b""

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any, /) -> int:
        """Fills as much of the target as one portion can; 0 at the end."""
        while not self._rest:
            portion = next(self._portions, None)
            if portion is None:
                return 0
            self._rest = memoryview(portion)
            self.tail = (self.tail + portion)[-len(_END) :]
        view = memoryview(target)
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def unpacked(portions: Iterator[bytes]) -> Iterator[tuple[tarfile.TarInfo, Any]]:
    """The members of a tar stream, each with a file to read its content from before the next one.

    Raises:
        tarfile.TarError: it is none, or was cut off, even between two members.
    """
    source = Portions(portions)
    with tarfile.open(fileobj=io.BufferedReader(source, _BLOCK), mode="r|", bufsize=_BLOCK) as tar:
        for info in tar:
            yield info, tar.extractfile(info) if info.isreg() else io.BytesIO()
    while source.read(_BLOCK):
        pass
    if source.tail != _END:
        raise tarfile.ReadError("it has no end")


def packed(members: Iterable[tuple[tarfile.TarInfo, Any]]) -> Iterator[bytes]:
    """A tar stream of members and their contents.

    Raises:
        tarfile.TarError: a content is shorter than its member says.
    """
    for info, content in members:
        yield info.tobuf(tarfile.PAX_FORMAT)
        if info.isreg():
            left = info.size
            while block := content.read(_BLOCK):
                yield block
                left -= len(block)
            if left:
                raise tarfile.ReadError(f"{info.name} is cut off")
            yield b"\0" * (-info.size % tarfile.BLOCKSIZE)
    yield _END
