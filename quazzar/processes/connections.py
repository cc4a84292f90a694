"""The web server's connections: a thread starts only once the whole request has arrived, and no client can hold one
forever.

waitress reads requests and writes answers in one loop that no client can stop. What it lacks is added here: limits on
how long a client may take, and room for new clients however many there are.
"""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from enum import StrEnum
from io import BytesIO
from typing import TYPE_CHECKING, Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import FixedStreamReceiver
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher
from waitress.utilities import RequestEntityTooLarge, RequestHeaderFieldsTooLarge

from quazzar.processes.refusals import Refusal, UriTooLong

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Bytes of a request's first line: method, address and version.
LONGEST_LINE = 4094
#: Connections held at once. One more closes the one that has waited longest for its client.
CONNECTIONS = 500
#: Bytes of bodies that are not here yet and of answers that are not read yet, of all connections together.
HELD = 128 * 1024 * 1024
#: A body larger than this ends the connection, instead of being read and thrown away.
DISCARDED = 1024 * 1024 * 1024
#: Seconds for a header, and seconds until a body or an answer must move at the pace of PACE (as Apache's
#: mod_reqtimeout does: https://httpd.apache.org/docs/2.4/mod/mod_reqtimeout.html).
PATIENCE = 20.0
#: Bytes per second.
PACE = 4096
#: Seconds that a connection is kept for the next request.
IDLE = 60.0
#: Seconds that a client may take to close a connection that we have closed.
LINGER = 5.0
#: Requests that a client may have sent ahead. Their answers are held in memory while it does not read.
AHEAD = 4
#: The paths that are answered even if every other thread is busy.
PROBES = frozenset({"/healthz", "/readyz"})


_FORGOTTEN = 65536


class Phase(StrEnum):
    """What a connection waits for."""

    HEADER = "header"
    BODY = "body"
    APPLICATION = "application"
    READER = "reader"
    NOTHING = "nothing"
    GOODBYE = "goodbye"


def patience(phase: Phase, moved: int) -> float:
    """Seconds that a phase may last in which so many bytes were moved."""
    match phase:
        case Phase.APPLICATION:
            return float("inf")
        case Phase.NOTHING:
            return IDLE
        case Phase.GOODBYE:
            return LINGER
        case Phase.HEADER:
            return PATIENCE
        case Phase.BODY | Phase.READER:
            return PATIENCE + moved / PACE


class _Nowhere:
    """A buffer that keeps nothing."""

    def append(self, data: bytes) -> None:
        """Drop the data; the sender is only waited for."""

    def __len__(self) -> int:
        return 0

    def getfile(self) -> BytesIO:
        """Return an empty file, since nothing is kept."""
        return BytesIO()

    def close(self) -> None:
        """Do nothing, since no file is open."""


class Request(HTTPRequestParser):  # type: ignore[misc]  # untyped
    """A request whose body is too large is read, or the client would miss the answer, but goes to the application
    without it. The application answers by its Content-Length, in the right order (who, plan, right, size) and
    format."""

    body_rcv: Any
    error: Any
    first_line = b""
    discards = False

    def parse_header(self, header_plus: bytes) -> None:
        """Read the header.

        Raises:
            ParsingError: it is malformed, or says in two ways where the body ends (RFC 9112 §6.3). A proxy might
                believe the other one, and take the end of this request for another.
        """
        try:
            super().parse_header(header_plus)
        except ValueError as exc:  # a malformed absolute address, such as http://[::1/
            raise ParsingError("The address is malformed") from exc
        if self.chunked and "CONTENT_LENGTH" in self.headers:
            raise ParsingError("Content-Length and Transfer-Encoding exclude each other")

    def received(self, data: bytes) -> int:
        """Take some bytes; returns how many."""
        taken: int
        if self.discards:
            taken = self.body_rcv.received(data)
            self.completed = self.body_rcv.completed
            return taken
        taken = super().received(data)
        endless = isinstance(self.error, RequestHeaderFieldsTooLarge) and b"\n" not in self.header_plus
        if endless or (self.error is None and len(self.first_line) > LONGEST_LINE):
            self.error, self.completed = UriTooLong(""), True
        too_large = isinstance(self.error, RequestEntityTooLarge) and not self.chunked
        if too_large and self.content_length <= DISCARDED:
            self.error, self.completed, self.discards = None, False, True
            self.body_rcv = FixedStreamReceiver(self.content_length, _Nowhere())
        return taken


class Connection(HTTPChannel):  # type: ignore[misc]  # untyped
    """A client's connection, which knows what it waits for and since when."""

    close_when_flushed: bool
    parser_class = Request
    error_task_class = Refusal

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.phase, self.since, self.moved = Phase.HEADER, time.monotonic(), 0
        self.lingers = False
        super().__init__(*args, **kwargs)

    def recv(self, size: int) -> bytes:
        """Read from the client, and count the bytes towards the pace that it has to keep."""
        data: bytes = super().recv(size)
        self.moved += len(data)
        return data

    def send(self, data: bytes, do_close: bool = True) -> int:
        """Bytes to the client; returns how many the kernel took."""
        sent: int = super().send(data, do_close)
        self.moved += sent
        return sent

    def handle_write(self) -> None:
        """Send what is due. After the last answer, end our half of the connection and read on: if it were closed while
        the client still sends, the kernel would reset it, and the client might lose the answer (RFC 9112, 9.6)."""
        if not self.close_when_flushed:
            super().handle_write()
            return
        self.close_when_flushed = False
        super().handle_write()
        if self.connected and self.total_outbufs_len:
            self.close_when_flushed = True
        elif self.connected:
            self.lingers = True
            with suppress(OSError):  # the client was faster
                self.socket.shutdown(socket.SHUT_WR)

    def readable(self) -> bool:
        """Whether to read from the client."""
        return self.lingers or bool(super().readable())

    def handle_read(self) -> None:
        """Read, and after the last answer forget it."""
        if not self.lingers:
            super().handle_read()
            return
        try:
            self.recv(_FORGOTTEN)  # closes at the end
        except OSError:
            self.handle_close()

    def received(self, data: bytes) -> bool:
        """Take bytes, and give up on a client that sends requests without reading the answers."""
        went_on: bool = super().received(data)
        if len(self.requests) > AHEAD:
            self.handle_close()
        return went_on

    def held(self) -> int:
        """Bytes held because of a client that is slow to send or to read."""
        body = None if self.request is None else self.request.body_rcv
        return int(self.total_outbufs_len) + (0 if body is None else len(body))

    def now_waits_for(self) -> Phase:
        """What the connection waits for now."""
        if self.lingers:
            return Phase.GOODBYE
        if self.total_outbufs_len or self.close_when_flushed:
            return Phase.READER
        if self.requests:
            return Phase.APPLICATION
        if self.request is None:
            return Phase.HEADER if self.phase is Phase.HEADER else Phase.NOTHING
        return Phase.BODY if self.request.headers_finished else Phase.HEADER

    def look(self, now: float) -> None:
        """Close it at once if it has waited too long: waitress's own way would wait for a client that does not read.
        Called every second."""
        phase = self.now_waits_for()
        if phase is not self.phase:
            self.phase, self.since, self.moved = phase, now, 0
        elif now - self.since > patience(phase, self.moved):
            self.handle_close()


class Server(TcpWSGIServer):  # type: ignore[misc]  # untyped
    """Accepts connections, and hands whole requests to threads."""

    channel_class = Connection

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.probes = ThreadedTaskDispatcher()
        self.probes.set_thread_count(1)
        self._look_at = 0.0
        super().__init__(*args, **kwargs)

    def add_task(self, connection: Connection) -> None:
        """Let a thread answer the connection's first request."""
        probe = getattr(connection.requests[0], "path", "") in PROBES
        (self.probes if probe else self.task_dispatcher).add_task(connection)

    def maintenance(self, now: float) -> None:
        """Nothing: waitress calls it while it collects what to wait for. A descriptor that is closed during that counts
        as broken, and the next connection with its number would be closed too."""

    def tend(self, now: float) -> None:
        """Make room for one more client, and every second close connections that take too long or hold too much.
        Call it between turns of the loop."""
        while len(self.active_channels) >= CONNECTIONS and self._close_oldest():
            pass
        if now < self._look_at:
            return
        self._look_at = now + 1
        for connection in self.connections():
            connection.look(now)
        by_size = sorted(self.connections(), key=Connection.held)
        while by_size and sum(map(Connection.held, by_size)) > HELD:
            by_size.pop().handle_close()

    def _close_oldest(self) -> bool:
        waiting = [connection for connection in self.connections() if not connection.requests]
        if waiting:
            min(waiting, key=lambda connection: connection.since).handle_close()
        return bool(waiting)

    def connections(self) -> Iterable[Connection]:
        """All connections that are open now."""
        return list(self.active_channels.values())

    def is_busy(self) -> bool:
        """Whether a request is being answered."""
        return any(connection.requests or connection.total_outbufs_len for connection in self.connections())
