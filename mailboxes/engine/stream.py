"""The stream of a command in a container: bytes go in while frames come out, without waiting for each other."""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import time
from typing import Any

_CHUNK = 65536
#: Frame: which stream (1 stdout, 2 stderr), three zero bytes, length.
_HEADER = struct.Struct(">BxxxL")
_STDERR = 2
_WAIT = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class StreamTimeout(Exception):
    """The command had not ended when the time was up."""


class StreamBroken(Exception):
    """The connection ended within a frame."""


class Frames:
    """Takes bytes as they come; keeps what belongs to each stream."""

    def __init__(self) -> None:
        self.stdout, self.stderr = bytearray(), bytearray()
        self._header = bytearray()
        self._left = 0
        self._target = self.stdout

    @property
    def whole(self) -> bool:
        """Whether no frame is half-way."""
        return not self._left and not self._header

    def feed(self, data: bytes) -> None:
        """Adds what was read."""
        view = memoryview(data)
        while view:
            if not self._left:
                view = self._read_header(view)
                continue
            self._target += view[: self._left]
            taken = min(self._left, len(view))
            self._left -= taken
            view = view[taken:]

    def _read_header(self, view: memoryview) -> memoryview:
        missing = _HEADER.size - len(self._header)
        self._header += view[:missing]
        if len(self._header) == _HEADER.size:
            stream, self._left = _HEADER.unpack(self._header)
            self._target = self.stderr if stream == _STDERR else self.stdout
            self._header.clear()
        return view[missing:]


class Stream:
    """The socket of a command that runs: unix, TCP or TLS. Never half-closed: daemons behind TLS take that for the end.

    Args:
        response: the engine's answer that carries the stream; what was read ahead with its head is kept.
    """

    def __init__(self, response: Any) -> None:
        self._response = response
        buffered = response.raw._fp.fp
        self._socket: socket.socket = buffered.raw._sock
        self._socket.setblocking(False)
        self.frames = Frames()
        self._unsent = memoryview(b"")
        try:
            self.frames.feed(buffered.peek())
        except _WAIT:
            pass  # nothing was read ahead

    @property
    def sent(self) -> bool:
        """Whether all the input went out."""
        return not self._unsent

    def exchange(self, data: bytes, deadline: float) -> None:
        """Sends ``data`` and reads until the other side ends.

        Raises:
            StreamTimeout: the deadline (of time.monotonic) passed first.
            StreamBroken: the end came within a frame.
            OSError: the connection cannot be used.
        """
        self._unsent = memoryview(data)
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            while self._read():
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._write() else 0)
                selector.modify(self._socket, events)
                left = deadline - time.monotonic()
                if left <= 0:
                    raise StreamTimeout
                selector.select(0 if self._pending() else left)
        if not self.frames.whole:
            raise StreamBroken

    def _read(self) -> bool:
        """Reads what is there; False at the end."""
        for _ in range(64):  # then the other direction has its turn
            try:
                data = self._socket.recv(_CHUNK)
            except _WAIT:
                return True
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
                # A command that ends without reading all its input: the engine then hangs up the hard way.
                return False
            if not data:
                return False
            self.frames.feed(data)
        return True

    def _write(self) -> bool:
        """Sends what goes; True while the socket should be watched for room."""
        while self._unsent:
            try:
                taken = self._socket.send(self._unsent[:_CHUNK])
            except ssl.SSLWantReadError:
                return False
            except _WAIT:
                return True
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
                return False  # nobody reads any more; what was said before can still be read
            self._unsent = self._unsent[taken:]
        return False

    def _pending(self) -> bool:
        """Whether TLS holds bytes that the kernel no longer shows."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def close(self) -> None:
        """Hangs up: a command that still reads its input sees the end of it."""
        self._response.close()
