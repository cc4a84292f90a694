"""The raw stream of a command in a container: sends input and reads output frames at the same time."""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import time
from typing import Any

_CHUNK = 65536
#: Frame header: the stream (1 stdout, 2 stderr), three zero bytes, the length of the frame.
#: Docker Engine API, "Attach to a container", section "Stream format".
_HEADER = struct.Struct(">BxxxL")
_STDERR = 2
_WAIT = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class StreamTimeout(Exception):
    """The command did not end before the deadline."""


class StreamBroken(Exception):
    """The connection ended in the middle of a frame."""


class Frames:
    """Splits received bytes into what the command wrote to stdout and to stderr."""

    def __init__(self) -> None:
        self.stdout, self.stderr = bytearray(), bytearray()
        self._header = bytearray()
        self._left = 0
        self._target = self.stdout

    @property
    def whole(self) -> bool:
        """Whether every frame that began has been received completely."""
        return not self._left and not self._header

    def feed(self, data: bytes) -> None:
        """Adds bytes that were read from the connection."""
        view = memoryview(data)
        while view:
            if not self._left:
                view = self._read_header(view)
                continue
            self._target += view[: self._left]
            length = min(self._left, len(view))
            self._left -= length
            view = view[length:]

    def _read_header(self, view: memoryview) -> memoryview:
        missing = _HEADER.size - len(self._header)
        self._header += view[:missing]
        if len(self._header) == _HEADER.size:
            stream, self._left = _HEADER.unpack(self._header)
            self._target = self.stderr if stream == _STDERR else self.stdout
            self._header.clear()
        return view[missing:]


class Stream:
    """The socket of a running command: unix, TCP or TLS.

    It is never half-closed, because an Engine behind TLS takes that for the end of the whole connection.

    Args:
        response: the Engine's answer that carries the stream. Bytes that arrived together with its headers are kept.

    Attributes:
        last_words: what the command prints when nobody needs to wait for it any longer; empty: nothing.
    """

    def __init__(self, response: Any) -> None:
        self._response = response
        buffered = response.raw._fp.fp
        self._socket: socket.socket = buffered.raw._sock
        self._socket.setblocking(False)
        self.frames = Frames()
        self.last_words = b""
        self._unsent = memoryview(b"")
        try:
            self.frames.feed(buffered.peek())
        except _WAIT:
            pass  # nothing arrived together with the headers

    @property
    def sent(self) -> bool:
        """Whether all the input was sent."""
        return not self._unsent

    @property
    def heard_last_words(self) -> bool:
        """Whether stdout ends with the last words, if there are any."""
        return bool(self.last_words) and self.frames.stdout.endswith(self.last_words)

    def exchange(self, data: bytes, deadline: float) -> None:
        """Sends ``data`` and reads until the other side closes the connection, or the last words have come.

        Args:
            deadline: a moment of ``time.monotonic()``.

        Raises:
            StreamTimeout: the deadline passed first.
            StreamBroken: the connection ended in the middle of a frame.
            OSError: the connection failed.
        """
        self._unsent = memoryview(data)
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            while self._read():
                if self.heard_last_words:
                    return
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._write() else 0)
                selector.modify(self._socket, events)
                left = deadline - time.monotonic()
                if left <= 0:
                    raise StreamTimeout
                selector.select(0 if self._pending() else left)
        if not self.frames.whole:
            raise StreamBroken

    def _read(self) -> bool:
        """Reads what has arrived; False once the other side has closed the connection."""
        for _ in range(64):  # then it is time to send again
            try:
                data = self._socket.recv(_CHUNK)
            except _WAIT:
                return True
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
                # The command ended without reading all its input: the Engine then resets the connection.
                return False
            if not data:
                return False
            self.frames.feed(data)
        return True

    def _write(self) -> bool:
        """Sends as much as fits; True while the socket should be watched for room to send more."""
        while self._unsent:
            try:
                count = self._socket.send(self._unsent[:_CHUNK])
            except ssl.SSLWantReadError:
                return False
            except _WAIT:
                return True
            except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
                return False  # the command reads no more input; its output can still be read
            self._unsent = self._unsent[count:]
        return False

    def _pending(self) -> bool:
        """Whether TLS has decrypted bytes that a select on the socket would not report."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def close(self) -> None:
        """Closes the connection; a command that still reads its input gets the end of it."""
        self._response.close()
