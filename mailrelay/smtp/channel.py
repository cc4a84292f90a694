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
        self._smtp.file = None  # smtplib opens it again on the new socket

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
            raise self._failure(f"Time ran out at stage {self.stage}.", "timeout")
        return min(most, left)

    def _command(self, line: str) -> Reply:
        return self._exchange(line.encode() + b"\r\n")

    def _exchange(self, line: bytes) -> Reply:
        self._write(line)
        return self._read()

    def _write(self, data: bytes, seconds: float = REPLY_SECONDS, *, secret: bool = False) -> None:
        """Send bytes; those that are not ``secret`` go into the transcript."""
        assert self._smtp.sock is not None
        if self.trace.lines is not None and not secret:
            for line in data.decode("utf-8", "replace").splitlines():
                self._note(f"C: {line}")
        try:
            self._smtp.sock.settimeout(self._seconds(seconds))
            self._smtp.sock.sendall(data)
        except OSError as exc:
            raise self._lost(exc) from exc

    def _read(self, seconds: float = REPLY_SECONDS, *, greeting: bool = False) -> Reply:
        assert self._smtp.sock is not None
        try:
            self._smtp.sock.settimeout(self._seconds(seconds))
            code, text = self._smtp.getreply()
        except smtplib.SMTPResponseException as exc:
            raise self._lost(exc) from exc
        except (OSError, smtplib.SMTPServerDisconnected) as exc:
            # smtplib hides a time-out of the socket in its own exception.
            cause = exc.__context__ if isinstance(exc.__context__, OSError) else exc
            raise self._lost(cause, greeting=greeting) from exc
        reply = Reply(code, wire.printable(text))
        if code < 200:
            raise self._failure("The server's answer is not SMTP.", "bad_greeting")
        if self.trace.lines is not None:
            for line in reply.text.splitlines() or [""]:
                self._note(f"S: {code} {line}")
        return reply

    def _note(self, line: str) -> None:
        """Add a line to the transcript, if one is kept."""
        if self.trace.lines is not None:
            self.trace.lines.append(self._masked(line))

    def _masked(self, text: str) -> str:
        """A server that repeats our credentials does not get them into a transcript, an error or a row."""
        for secret in sasl.traces(self.target.username, self.target.password):
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
        text = self._masked(" ".join(reply.text.split())) or "no explanation"
        sentence = f"The server answered {reply.code} {text}"
        return self._failure(
            sentence, kind, permanent=reply.code >= 500, stage=stage, code=reply.code or None
        )

    def _lost(self, exc: Exception, *, connecting: bool = False, greeting: bool = False) -> DeliveryError:
        """The failure that a broken connection means."""
        self.usable = False
        host, port = self.target.host, self.target.port
        kind, sentence = wire.lost(exc, host, port, connecting=connecting, greeting=greeting)
        return self._failure(sentence, kind)


def local_name() -> str:
    """What EHLO says: the node's full name if it has one, else an address literal (RFC 5321 §4.1.3)."""
    return hostnames.current().fqdn or "[127.0.0.1]"
