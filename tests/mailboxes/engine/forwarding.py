"""A Docker Engine "on another machine": a TCP port, with or without TLS, in front of its unix socket."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Self

from tests.rig import LOOPBACK

if TYPE_CHECKING:
    from tests.rig.ca import Certificate


class Forwarder:
    """Forwards connections until ``close()``; ``sever()`` breaks those that are open.

    Args:
        target: path of the unix socket; empty means that connections are accepted and never answered.
    """

    def __init__(self, target: str, certificate: Certificate | None = None, *, port: int = 0) -> None:
        self._target = target
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate.cert_file, certificate.key_file)
        self._listener = socket.create_server((LOOPBACK, port))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Accepts no more connections, and breaks the open ones."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.sever()

    def silence(self) -> None:
        """From now on accepts connections and never answers."""
        self._target = ""
        self.sever()

    def sever(self) -> None:
        """Breaks the open connections."""
        while self._open:
            _hang_up(self._open.pop())

    @property
    def open(self) -> int:
        """The number of open sockets."""
        return sum(connection.fileno() >= 0 for connection in self._open)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if self._context is not None:
            try:
                client = self._context.wrap_socket(client, server_side=True)
            except OSError:
                client.close()
                return
        self._open.append(client)
        if not self._target:
            return
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(self._target)
        self._open.append(engine)
        front = _Shared(client) if isinstance(client, ssl.SSLSocket) else client
        threading.Thread(target=_pump, args=(front, engine), daemon=True).start()
        _pump(engine, front)


class _Shared:
    """A TLS socket that one thread reads and another writes, which OpenSSL does not allow at the same time."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        connection.setblocking(False)
        self._connection, self._lock = connection, threading.Lock()
        self.shutdown, self.close = connection.shutdown, connection.close

    def recv(self, size: int) -> bytes:
        """Like ``recv`` of a blocking socket."""
        while True:
            with self._lock, contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return self._connection.recv(size)
            select.select([self._connection], [], [])

    def sendall(self, data: bytes) -> None:
        """Like ``sendall`` of a blocking socket."""
        left = memoryview(data)
        while left:
            with self._lock, contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                left = left[self._connection.send(left) :]
                continue
            select.select([], [self._connection], [])


def _pump(source: socket.socket | _Shared, sink: socket.socket | _Shared) -> None:
    """Copies bytes; like a TLS front end, it ends both directions when one ends."""
    with contextlib.suppress(OSError, ValueError):
        while data := source.recv(65536):
            sink.sendall(data)
    _hang_up(sink)
    _hang_up(source)


def _hang_up(connection: socket.socket | _Shared) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
