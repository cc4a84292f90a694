"""The SMTP edge, and the only module that imports smtplib: bytes out, replies in, within a deadline, with a transcript
that holds no credentials. Every failure is a DeliveryError that names its stage."""

from __future__ import annotations

import smtplib
import socket
import time

from mailrelay.smtp import sasl, wire
from mailrelay.smtp.dialogue import Reply, Target, Trace
from quazzar import hostnames
from quazzar.errors import DeliveryError

#: How long a server may take to answer a command, in seconds.
REPLY_SECONDS = 60.0
#: How long to wait for what the server may have said before the connection broke, in seconds.
_LAST_WORDS_SECONDS = 1.0
_MASK = "********"


class Channel:
    """The dialogue with one server, whatever is said in it.

    Attributes:
        stage: where the dialogue is (see ``dialogue.STAGES``); failures carry it.
        deadline: the ``time.monotonic()`` at which everything must have ended; None: only each step has a limit.
        usable: whether another message can be sent over it.
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
        # Without a name smtplib would look this host's up in the DNS, which may take long.
        self._smtp = smtplib.SMTP(local_hostname=local_name(), timeout=REPLY_SECONDS)

    def close(self) -> None:
        """Say QUIT without waiting for the answer, and hang up."""
        self.usable = False
        sock = self._smtp.sock
        if sock is not None:
            try:
                sock.settimeout(1)
                sock.sendall(b"QUIT\r\n")
            except OSError:
                pass  # it is gone already
        self._smtp.close()

    def _adopt(self, sock: socket.socket) -> None:
        self._smtp.sock = sock
        self._smtp.file = _Listener(sock)

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

    def _wait_at_most(self, seconds: float, sock: socket.socket) -> None:
        """Limit the next step. Most steps have the limit of the step before; each change is a system call."""
        seconds = self._seconds(seconds)
        if sock.gettimeout() != seconds:
            sock.settimeout(seconds)

    def _command(self, line: str) -> Reply:
        return self._exchange(line.encode() + b"\r\n")

    def _exchange(self, line: bytes) -> Reply:
        self._write(line)
        return self._read()

    def _write(self, data: bytes, seconds: float = REPLY_SECONDS, *, secret: bool = False) -> None:
        """Send bytes; those that are not ``secret`` go into the transcript.

        The ``_read`` that follows reports a failure: a server that hangs up may have said why.
        """
        if self.trace.lines is not None and not secret:
            for line in data.decode("utf-8", "replace").splitlines():
                self._note(f"C: {line}")
        try:
            if self._smtp.sock is None:
                raise ConnectionResetError
            self._wait_at_most(seconds, self._smtp.sock)
            self._smtp.sock.sendall(data)
        except OSError as exc:
            self._broken = exc

    def _read(self, seconds: float = REPLY_SECONDS, *, greeting: bool = False) -> Reply:
        """The server's next answer.

        Raises:
            DeliveryError: the connection is over. It carries what the server said last if that was a refusal.
        """
        try:
            reply = self._next_reply(seconds if self._broken is None else _LAST_WORDS_SECONDS)
        except OSError as exc:
            # smtplib hides a time-out of the socket in its own exception.
            cause = exc.__context__ if isinstance(exc.__context__, OSError) else exc
            raise self._lost(self._broken or cause, greeting=greeting) from exc
        self._note_answer(reply)
        if reply.code < 200:
            raise self._failure(f"The server's answer is not SMTP: {self._one_line(reply)}", "bad_greeting")
        self._said = reply
        return reply

    def _next_reply(self, seconds: float) -> Reply:
        """Read one answer. One that is cut off counts if it is a refusal.

        Raises:
            OSError: there is none.
        """
        if self._smtp.sock is None:
            raise ConnectionResetError
        self._wait_at_most(seconds, self._smtp.sock)
        listener = self._smtp.file
        assert isinstance(listener, _Listener)
        listener.lines.clear()
        try:
            code, text = self._smtp.getreply()
        except OSError:  # among them smtplib's: the connection was closed, or a line is too long
            reply = Reply(*wire.answer(listener.lines))
            if reply.code < 400:
                raise
            self.usable = False
            return reply
        if not wire.is_answer(listener.lines[-1]):
            return Reply(0, wire.answer(listener.lines)[1])
        return Reply(code, wire.printable(text)) if code >= 200 else Reply(*wire.answer(listener.lines))

    def _read_ahead(self) -> bytes:
        """What the server said after its latest answer without being asked, as far as it is here."""
        if self._smtp.sock is None or not isinstance(self._smtp.file, _Listener):
            return b""
        self._smtp.sock.settimeout(0)
        return self._smtp.file.read_ahead()

    def _note_answer(self, reply: Reply) -> None:
        if self.trace.lines is not None:
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


class _Listener:
    """The server's side of a socket, as smtplib reads it, with the lines of the answer under way."""

    def __init__(self, sock: socket.socket) -> None:
        self._file = sock.makefile("rb")
        self.lines: list[bytes] = []

    def readline(self, limit: int) -> bytes:
        line = self._file.readline(limit)
        self.lines.append(line)
        return line

    def read_ahead(self) -> bytes:
        return self._file.peek()

    def close(self) -> None:
        self._file.close()


def local_name() -> str:
    """What EHLO says: the node's full name if it has one, else an address literal (RFC 5321 §4.1.3)."""
    return hostnames.current().fqdn or "[127.0.0.1]"
