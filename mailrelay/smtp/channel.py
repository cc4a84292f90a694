"""The SMTP edge: bytes out, replies in, within a deadline, with a transcript that holds no credentials. Every failure
is a DeliveryError that names its stage.

What has to wait for the server is a generator (``Steps``): it yields what it waits for, so that one thread can serve
many connections. ``Channel.wait`` takes the steps of one connection and blocks.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Generator
from contextlib import suppress
from typing import TypeVar

from mailrelay.smtp import sasl, wire
from mailrelay.smtp.dialogue import Target, Trace
from mailrelay.smtp.wire import Reply
from quazzar import hostnames
from quazzar.errors import DeliveryError

T = TypeVar("T")
#: Yields ``select.POLLIN`` or ``POLLOUT``, whichever the socket must be ready for before the next step. A TimeoutError
#: that is thrown in says that it was not, until ``Channel.expires``.
Steps = Generator[int, None, T]

#: How long a server may be silent before it answers a command, and take for the whole answer, in seconds.
REPLY_SECONDS = 60.0
_WHOLE_REPLY_SECONDS = 300.0
#: How long to wait for what the server may have said before the connection broke, in seconds.
_LAST_WORDS_SECONDS = 1.0
#: Bytes to read at once.
_CHUNK = 65536
_MASK = "********"


class Channel:
    """The dialogue with one server, whatever is said in it.

    Attributes:
        stage: where the dialogue is (see ``dialogue.STAGES``); failures carry it.
        deadline: the ``time.monotonic()`` at which everything must have ended; None: only each step has a limit.
        usable: whether another message can be sent over it.
        sock: the open socket; the one to wait for.
        expires: the ``time.monotonic()`` until which the step under way may wait.
    """

    def __init__(self, target: Target, *, deadline: float | None = None, trace: Trace | None = None) -> None:
        self.target = target
        self.deadline = deadline
        self.trace = trace or Trace()
        self.stage = "resolve"
        self.usable = False
        self._secrets = sasl.traces(target.username, target.password)
        #: The server's latest answer to the opening, or to the message under way.
        self._said: Reply | None = None
        #: Why nothing more can be written.
        self._broken: OSError | None = None
        self.expires = 0.0
        self.sock: socket.socket | None = None
        self._heard = wire.Answers()

    def close(self) -> None:
        """Say QUIT without waiting for the answer, and hang up."""
        self.usable = False
        sock, self.sock = self.sock, None
        if sock is not None:
            with suppress(OSError), sock:  # it may be gone already
                sock.settimeout(1)
                sock.sendall(b"QUIT\r\n")

    def _adopt(self, sock: socket.socket) -> None:
        """Go on over this socket. What was heard over another does not count: it was not encrypted (RFC 3207 §4.2)."""
        sock.setblocking(False)
        self.sock, self._heard = sock, wire.Answers()

    def _enter(self, stage: str) -> None:
        if stage != self.stage or stage == "resolve":
            self.stage = stage
            self.trace.on_stage(stage)

    # --- out and in ----------------------------------------------------------------------------------------
    def _seconds(self, most: float) -> float:
        """What is left of the deadline, at most ``most``.

        Raises:
            DeliveryError: nothing is left.
        """
        if self.deadline is None:
            return most
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise self._failure(f"Timed out at stage {self.stage}.", "timeout")
        return min(most, left)

    def wait(self, steps: Steps[T]) -> T:
        """Take the steps to their end, and wait for the server in between; returns what they return.

        Raises:
            DeliveryError: as they do.
        """
        try:
            event = next(steps)
            while True:
                event = next(steps) if self._is_ready(event) else steps.throw(TimeoutError())
        except StopIteration as end:
            result: T = end.value
            return result

    def _is_ready(self, event: int) -> bool:
        """Whether the socket is ready before the step expires."""
        assert self.sock is not None
        poll = select.poll()
        poll.register(self.sock, event)
        return bool(poll.poll(max(0.0, self.expires - time.monotonic()) * 1000))

    def _command(self, line: str) -> Reply:
        self._write(line.encode() + b"\r\n")
        return self._read()

    def _write(self, data: bytes, *, secret: bool = False) -> None:
        self.wait(self._writing(data, secret=secret))

    def _read(self, seconds: float = REPLY_SECONDS, *, greeting: bool = False) -> Reply:
        return self.wait(self._reading(seconds, greeting=greeting))

    def _exchanging(self, line: bytes) -> Steps[Reply]:
        yield from self._writing(line)
        return (yield from self._reading())

    def _writing(self, data: bytes, seconds: float = REPLY_SECONDS, *, secret: bool = False) -> Steps[None]:
        """Send bytes; those that are not ``secret`` go into the transcript. Time runs out when none can be sent for so
        many seconds.

        The ``_reading`` that follows reports a failure: a server that hangs up may have said why.
        """
        if self.trace.lines is not None and not secret:
            for line in data.decode("utf-8", "replace").splitlines():
                self._note(f"C: {line}")
        rest = memoryview(data)
        try:
            while rest:
                self.expires = time.monotonic() + self._seconds(seconds)
                rest = rest[(yield from self._sending(rest)) :]
        except OSError as exc:
            self._broken = exc

    def _sending(self, data: memoryview) -> Steps[int]:
        """Send some of the bytes; returns how many."""
        while True:
            if self.sock is None:
                raise ConnectionResetError
            try:
                return self.sock.send(data)
            except (BlockingIOError, ssl.SSLWantWriteError):
                yield select.POLLOUT
            except ssl.SSLWantReadError:
                yield select.POLLIN

    def _reading(self, seconds: float = REPLY_SECONDS, *, greeting: bool = False) -> Steps[Reply]:
        """The server's next answer.

        Raises:
            DeliveryError: the connection is over. It carries what the server said last if that was a refusal.
        """
        try:
            reply = yield from self._next_reply(seconds if self._broken is None else _LAST_WORDS_SECONDS)
        except OSError as exc:
            raise self._lost(self._broken or exc, greeting=greeting) from exc
        if self.trace.lines is not None:
            self._note_answer(reply)
        if reply.code < 200:
            raise self._failure(f"The server's answer is not SMTP: {self._one_line(reply)}", "bad_greeting")
        self._said = reply
        return reply

    def _next_reply(self, seconds: float) -> Steps[Reply]:
        """Read one answer. One that is cut off counts if it is a refusal.

        Raises:
            OSError: there is none.
        """
        latest = time.monotonic() + _WHOLE_REPLY_SECONDS
        try:
            while (whole := self._heard.next()) is None:
                self.expires = min(latest, time.monotonic() + self._seconds(seconds))
                self._heard.add((yield from self._receiving()))
        except OSError:
            reply = wire.answer(self._heard.lines)
            if reply.code < 400:
                raise
            self.usable = False
            return reply
        return whole

    def _receiving(self) -> Steps[bytes]:
        """Some bytes; empty if the server has closed the connection."""
        while True:
            if self.sock is None:
                raise ConnectionResetError
            # What TLS has decrypted already does not make the socket ready.
            if not isinstance(self.sock, ssl.SSLSocket) or not self.sock.pending():
                yield select.POLLIN
            try:
                return self.sock.recv(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError):
                continue
            except ssl.SSLWantWriteError:
                yield select.POLLOUT

    def _read_ahead(self) -> bytes:
        """What the server said after its latest answer without being asked, as far as it is here."""
        with suppress(OSError):
            if self.sock is not None:
                return self._heard.rest + self.sock.recv(_CHUNK)
        return self._heard.rest

    def _note_answer(self, reply: Reply) -> None:
        for line in reply.text.splitlines() or [""]:
            self._note(f"S: {reply.code} {line}" if reply.code else f"S: {line}")

    def _note(self, line: str) -> None:
        """Add a line to the transcript, if one is kept."""
        if self.trace.lines is not None:
            self.trace.lines.append(self._masked(line))

    def _masked(self, text: str) -> str:
        """A server that repeats our credentials does not get them into a transcript, an error or a row."""
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        return text

    # --- failures ------------------------------------------------------------------------------------------
    def _failure(
        self, sentence: str, kind: str, *, permanent: bool = False, stage: str = "", code: int | None = None
    ) -> DeliveryError:
        return DeliveryError(
            sentence, stage=stage or self.stage, kind=kind, permanent=permanent, smtp_code=code
        )

    def _rejected(self, reply: Reply, *, stage: str = "", kind: str = "rejected") -> DeliveryError:
        """The failure that a server's answer means; from 500 on it is permanent."""
        sentence = f"The server answered {reply.code} {self._one_line(reply)}"
        return self._failure(
            sentence, kind, permanent=reply.code >= 500, stage=stage, code=reply.code or None
        )

    def _one_line(self, reply: Reply) -> str:
        return self._masked(" ".join(reply.text.split())) or "no explanation"

    def _lost(self, exc: Exception, *, connecting: bool = False, greeting: bool = False) -> DeliveryError:
        """The failure that a broken connection means: the refusal that came before it, if the server closed it."""
        self.usable = False
        if self._said is not None and not self._said.good and not isinstance(exc, TimeoutError):
            return self._rejected(self._said, kind="closed")
        host, port = self.target.host, self.target.port
        kind, sentence = wire.lost(exc, host, port, connecting=connecting, greeting=greeting)
        return self._failure(sentence, kind)


def local_name() -> str:
    """What EHLO says: the node's full name if it has one, else an address literal (RFC 5321 §4.1.3)."""
    return hostnames.current().fqdn or "[127.0.0.1]"
