"""A container's log as a stream: its lines as they are written, each with Docker's own time."""

from __future__ import annotations

import socket
import ssl
import struct
from calendar import timegm
from time import strptime
from typing import TYPE_CHECKING, Any, NamedTuple

from mailboxes.engine.asking import Asking
from mailboxes.engine.failures import absent_is_an_error

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 65536
_HEADER = struct.Struct(">BxxxL")
_WAIT = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
#: Docker splits lines at 16 KiB, so a longer frame is no log.
_LONGEST_FRAME = 1 << 20
_SECOND = 1_000_000_000


class LogLine(NamedTuple):
    """A line of a log, and when Docker received it, in nanoseconds since 1970."""

    at_ns: int
    text: str


class LogEnded(Exception):
    """The container stopped, or the connection was lost."""


class Logs(Asking):
    """The part of the Docker edge that follows logs; ``Engine`` adds the client and its error handling."""

    def follow(self, name: str, since_ns: int) -> LogStream:
        """The container's log from that time on, which includes it. The stream ends when the container stops.

        Raises:
            NotThere: there is no such container.
        """
        client = self._client()
        self._check_container(name)
        since = f"{since_ns // _SECOND}.{since_ns % _SECOND:09d}"
        wanted = {"stdout": 1, "stderr": 1, "follow": 1, "timestamps": 1, "since": since, "tail": "all"}
        with absent_is_an_error(name), self._asking(f"follow the log of {name}"):
            response = client._get(client._url("/containers/{0}/logs", name), params=wanted, stream=True)
            client._raise_for_status(response)
        return LogStream(response)


class LogStream:
    """The open connection; reading from it never waits.

    Args:
        response: the Engine's answer. Bytes that arrived together with its headers are kept.
    """

    def __init__(self, response: Any) -> None:
        self._response = response
        buffered = response.raw._fp.fp
        self._socket: socket.socket = buffered.raw._sock
        self._socket.setblocking(False)
        self._chunks = (
            Chunks() if response.headers.get("Transfer-Encoding", "").lower() == "chunked" else None
        )
        self._frames = LogFrames()
        self._first = b""
        try:
            self._first = buffered.peek()
        except _WAIT:
            pass  # nothing arrived together with the headers

    def read(self, most: int = 1 << 20) -> list[LogLine]:
        """The lines that have arrived; of more than ``most`` bytes, the rest is left for the next call.

        Raises:
            LogEnded: there are no more, and none will come.
        """
        lines, count = list[LogLine](), 0
        while count < most and (data := self._received()) is not None:
            if not data:
                if lines:
                    break  # the next call says that it is the end
                raise LogEnded
            count += len(data)
            for part in self._chunks.feed(data) if self._chunks else (data,):
                lines += self._frames.feed(part)
        return lines

    def _received(self) -> bytes | None:
        """What has arrived; None if nothing has, nothing at the end."""
        if self._chunks and self._chunks.ended:
            return b""
        data, self._first = self._first, b""
        try:
            return data or self._socket.recv(_CHUNK)
        except _WAIT:
            return None
        except OSError:
            return b""

    def close(self) -> None:
        """Close the connection; Docker would otherwise hold it open while the container lives."""
        self._response.close()


class Chunks:
    """Takes the chunked transfer coding (RFC 9112 section 7.1) off a body that arrives in any pieces."""

    def __init__(self) -> None:
        self._line = bytearray()
        self._left = 0
        #: The last chunk was there: the connection stays open for another request, but the log has ended.
        self.ended = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The parts of the body in these bytes.

        Raises:
            LogEnded: this is no such coding.
        """
        start = 0
        while start < len(data):
            if self._left > 2:  # the last two bytes of a chunk are its line break
                part = data[start : start + self._left - 2]
                self._left -= len(part)
                start += len(part)
                yield part
            elif self._left:
                taken = min(self._left, len(data) - start)
                self._left -= taken
                start += taken
            else:
                end = data.find(b"\n", start)
                self._line += data[start : end + 1 if end >= 0 else len(data)]
                start = end + 1 if end >= 0 else len(data)
                if end >= 0:
                    self._begin()

    def _begin(self) -> None:
        try:
            size = int(self._line.split(b";")[0].strip() or b"0", 16)
        except ValueError as exc:
            raise LogEnded from exc
        # An empty line is the end of the chunk before, or of the whole.
        self.ended = self.ended or (not size and bool(self._line.strip()))
        self._line.clear()
        self._left = size + 2 if size else 0


class LogFrames:
    """Splits the Engine's frames (see stream.py) into lines with their times."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._second, self._epoch = "", 0

    def feed(self, data: bytes) -> Iterator[LogLine]:
        """The lines that are complete now.

        Raises:
            LogEnded: these are no frames.
        """
        self._buffer += data
        start, end = 0, len(self._buffer)
        while end - start >= _HEADER.size:
            kind, length = _HEADER.unpack_from(self._buffer, start)
            if kind > 2 or length > _LONGEST_FRAME:
                raise LogEnded
            if end - start - _HEADER.size < length:
                break
            start += _HEADER.size
            line = self._line(self._buffer[start : start + length].decode(errors="replace"))
            start += length
            if line is not None:
                yield line
        del self._buffer[:start]

    def _line(self, text: str) -> LogLine | None:
        stamp, _, rest = text.partition(" ")
        second, _, fraction = stamp.removesuffix("Z").partition(".")
        if second != self._second:
            try:
                self._second, self._epoch = second, timegm(strptime(second, "%Y-%m-%dT%H:%M:%S"))
            except ValueError:
                return None
        nanoseconds = int(f"{fraction:0<9}"[:9]) if fraction.isdecimal() else 0
        return LogLine(self._epoch * _SECOND + nanoseconds, rest.rstrip("\r\n").replace("\0", ""))
