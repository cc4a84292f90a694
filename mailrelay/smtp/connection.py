"""The SMTP edge, and the only module that imports smtplib: one connection to the relay, walked stage by stage,
that sends message after message with PIPELINING (RFC 2920) where the server offers it."""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from mailrelay.smtp import sasl, wire
from mailrelay.smtp.dialogue import Envelope, Outcome, Reply, Target, Trace
from mailrelay.smtp.resolving import Address, resolve
from quazzar import tlsfailures, words
from quazzar.errors import DeliveryError

_CONNECT_SECONDS = 15.0
_REPLY_SECONDS = 60.0
# RFC 5321 §4.5.3.2.6: the server may take long to answer the final dot; shorter than that, but patient.
_DATA_SECONDS = 180.0


@lru_cache(maxsize=2)
def _tls_context(minute: int) -> ssl.SSLContext:
    """The system's trust store (SSL_CERT_FILE counts too), read again each minute so that a new CA is seen."""
    return ssl.create_default_context()


class Connection:
    """One open, authenticated connection.

    Raises:
        DeliveryError: from every method, naming the stage that failed.
    """

    def __init__(self, target: Target, *, deadline: float | None = None, trace: Trace | None = None) -> None:
        self.target = target
        self.deadline = deadline
        self.trace = trace or Trace()
        self.stage = "resolve"
        self.round_trip = 0.0
        self.idle_since = 0.0
        self.usable = False
        # An announcement was refused half-way: the next one must begin with RSET.
        self._dirty = False
        self._features: dict[str, str] = {}
        self._refused: dict[str, DeliveryError] = {}
        # Without a name smtplib looks this host's up in the DNS, which may take long.
        self._smtp = smtplib.SMTP(local_hostname=_local_name(), timeout=_REPLY_SECONDS)

    # --- opening -------------------------------------------------------------------------------------------
    def open(self) -> Connection:
        """Resolves, connects, protects and authenticates."""
        try:
            self._enter("resolve")
            addresses = resolve(self.target.host, self.target.port, self._seconds(_CONNECT_SECONDS))
            self._enter("connect")
            self._connect(addresses)
            self._protect()
            self._authenticate()
        except BaseException:
            self.close()
            raise
        self.usable = True
        self.idle_since = time.monotonic()
        return self

    def _enter(self, stage: str) -> None:
        if stage != self.stage or stage == "resolve":
            self.stage = stage
            self.trace.on_stage(stage)

    def _say(self, line: str) -> None:
        if self.trace.lines is not None:
            self.trace.lines.append(self._masked(line))

    def _masked(self, text: str) -> str:
        """A server that repeats our credentials does not get them into a transcript, an error or a row."""
        for word in sasl.traces(self.target.username, self.target.password):
            text = text.replace(word, "********")
        return text

    def _connect(self, addresses: Sequence[Address]) -> None:
        failure: DeliveryError | None = None
        for family, sockaddr in addresses:
            try:
                sock = self._dial(family, sockaddr)
            except OSError as exc:
                failure = self._lost(exc, connecting=True)
                self._say(f"*  {sockaddr[0]} port {sockaddr[1]}: {exc.strerror or 'no answer in time'}")
                continue
            self._say(f"*  connected to {sockaddr[0]} port {sockaddr[1]}")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._adopt(sock)
            if self.target.security == "tls":
                self._enter("tls")
                self._wrap()
            self._greet()
            return
        assert failure is not None  # resolve() never returns an empty list
        raise failure

    def _dial(self, family: int, sockaddr: Any) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_STREAM)  # raises too, where the kernel has no IPv6
        try:
            sock.settimeout(self._seconds(_CONNECT_SECONDS))
            started = time.monotonic()
            sock.connect(sockaddr)
            self.round_trip = time.monotonic() - started
        except BaseException:
            sock.close()
            raise
        return sock

    def _adopt(self, sock: socket.socket) -> None:
        self._smtp.sock = sock
        self._smtp.file = None  # smtplib opens it again on the new socket

    def _greet(self) -> None:
        self.stage = "connect"
        reply = self._read(_CONNECT_SECONDS, waiting_for="greeting")
        if reply.code != 220:
            raise self._rejected(reply, kind="bad_greeting" if reply.code < 400 else "rejected")
        self._hello()

    def _hello(self) -> None:
        started = time.monotonic()
        reply = self._command(f"EHLO {_local_name()}")
        if self.stage == "connect":  # the distance to whoever speaks SMTP, not only to a proxy in front of it
            self.round_trip = max(self.round_trip, time.monotonic() - started)
        if not reply.good:
            reply = self._command(f"HELO {_local_name()}")
            if not reply.good:
                raise self._rejected(reply)
            self._features = {}
            return
        self._features = wire.features(reply.text)

    def _protect(self) -> None:
        if self.target.security != "starttls":
            return
        self._enter("tls")
        if "starttls" not in self._features:
            raise self._failure("The server does not offer STARTTLS on this port.", "tls_not_offered", True)
        reply = self._command("STARTTLS")
        if reply.code != 220:
            raise self._rejected(reply, kind="tls_not_offered")
        self._wrap()
        self._hello()

    def _wrap(self) -> None:
        assert self._smtp.sock is not None
        self._smtp.sock.settimeout(self._seconds(_CONNECT_SECONDS))
        context = _tls_context(int(time.time() // 60))
        try:
            sock = context.wrap_socket(self._smtp.sock, server_hostname=self.target.host)
        except ssl.SSLError as exc:
            failure = tlsfailures.explain(exc, self.target.host)
            raise self._failure(failure.sentence, failure.kind, failure.kind != "tls_failed") from exc
        except OSError as exc:
            raise self._lost(exc) from exc
        self._say(f"*  {sock.version()} {(sock.cipher() or ('',))[0]}, certificate verified")
        self._adopt(sock)

    def _authenticate(self) -> None:
        if not self.target.username:
            return
        self._enter("auth")
        mechanism = sasl.choose(self._features.get("auth", ""))
        if mechanism is None:
            offered = self._features.get("auth", "") or "nothing"
            raise self._failure(
                f"The server does not offer a way to sign in here (it offers {offered}).",
                "auth_not_offered",
                True,
            )
        self._say(f"C: AUTH {mechanism} ********")
        reply = Reply(0, "")
        latest = [reply]
        credentials = (self.target.username, self.target.password)
        for line in sasl.lines(mechanism, *credentials, challenge=lambda: latest[-1].text):
            self._write(line, secret=True)
            reply = self._read(_REPLY_SECONDS)
            latest.append(reply)
            if reply.code != 334:
                break
        if reply.code != 235:
            raise self._rejected(reply, kind="auth_rejected")

    # --- sending -------------------------------------------------------------------------------------------
    @property
    def pipelining(self) -> bool:
        """Whether commands may be sent without waiting for each answer."""
        return "pipelining" in self._features

    def send(self, envelope: Envelope) -> Outcome:
        """One message, start to end."""
        outcome = self.begin(envelope)
        return outcome or self.finish(envelope, None)[0]

    def begin(self, envelope: Envelope) -> Outcome | None:
        """Announces a message. None means that its body may be sent with ``finish``; an outcome means that the
        server refused it (or that we must not try)."""
        refusal = self._unfit(envelope)
        if refusal is not None:
            return Outcome(error=refusal)
        commands = self._commands(envelope)
        self._enter("sender")
        if self.pipelining:
            self._write(b"".join(commands))
            return self._hear(envelope)
        return self._hear_one_by_one(envelope, commands)

    def finish(self, envelope: Envelope, following: Envelope | None) -> tuple[Outcome, bool]:
        """Sends the body, with the next message's announcement in the same flight if there is one to send.

        Returns:
            the outcome, and whether ``following`` was announced: then call ``announced`` for it.
        """
        self._enter("data")
        pipelined = following is not None and self.pipelining and self._unfit(following) is None
        self._dirty = False
        flight = envelope.data if envelope.data.endswith(b"\r\n") else envelope.data + b"\r\n"
        flight = wire.dot_stuff(flight) + b".\r\n"
        if pipelined and following is not None:
            flight += b"".join(self._commands(following))
        self._say(f"C: [{len(envelope.data)} bytes of mail]")
        refused = self._refused
        self._write(flight, seconds=_DATA_SECONDS, secret=True)
        reply = self._read(_DATA_SECONDS)
        if reply.code == 421:
            self.usable = False
        error = None if reply.good else self._rejected(reply)
        return Outcome(error=error, refused={} if error else refused, reply=reply), pipelined

    def announced(self, envelope: Envelope) -> Outcome | None:
        """The answers to an announcement that went out with the message before it; as ``begin``."""
        return self._hear(envelope)

    def _commands(self, envelope: Envelope) -> list[bytes]:
        reset = [b"RSET\r\n"] if self._dirty else []
        mail = wire.mail_command(envelope.sender, len(envelope.data), self._features, utf8=envelope.utf8)
        return [*reset, mail, *(wire.rcpt_command(one) for one in envelope.recipients), b"DATA\r\n"]

    def _unfit(self, envelope: Envelope) -> DeliveryError | None:
        limit = int(self._features.get("size", "") or 0) if self._features.get("size", "0").isdigit() else 0
        if limit and len(envelope.data) > limit:
            sentence = f"The mail has {words.size(len(envelope.data))}; the server takes {words.size(limit)} at most."
            return self._failure(sentence, "rejected", True, stage="sender", code=552)
        if envelope.utf8 and "smtputf8" not in self._features:
            return self._failure(
                "An address has letters beyond ASCII before the @, and the server does not take such addresses.",
                "smtputf8_not_offered", True, stage="sender", code=553,
            )  # fmt: skip
        return None

    def _hear(self, envelope: Envelope) -> Outcome | None:
        """Reads the answers to a whole flight: [RSET,] MAIL, each RCPT, DATA."""
        if self._dirty:
            self._read(_REPLY_SECONDS)
        self._enter("sender")
        mail = self._read(_REPLY_SECONDS)
        if mail.code == 421:
            raise self._rejected(mail, kind="closed")
        if mail.good:
            self._enter("recipient")
        answers = {one: self._read(_REPLY_SECONDS) for one in envelope.recipients}
        if not any(reply.good for reply in answers.values()) or not mail.good:
            return self._nobody(mail, answers, self._read(_REPLY_SECONDS))
        go = self._read(_REPLY_SECONDS)
        return self._judge(answers, go)

    def _hear_one_by_one(self, envelope: Envelope, commands: Iterable[bytes]) -> Outcome | None:
        queue = list(commands)
        if self._dirty:
            self._exchange(queue.pop(0))
        mail = self._exchange(queue.pop(0))
        if mail.code == 421:
            raise self._rejected(mail, kind="closed")
        if not mail.good:
            return Outcome(error=self._rejected(mail), reply=mail)
        self._dirty = True
        self._enter("recipient")
        answers = {one: self._exchange(queue.pop(0)) for one in envelope.recipients}
        if not any(reply.good for reply in answers.values()):
            return self._nobody(mail, answers, None)
        return self._judge(answers, self._exchange(queue.pop(0)))

    def _nobody(self, mail: Reply, answers: dict[str, Reply], go: Reply | None) -> Outcome:
        """No recipient was accepted; a server that answers DATA with 354 all the same gets an empty message, which
        RFC 2920 §3.1 says it must refuse."""
        self._dirty = True
        if go is not None and go.code == 354:
            self._exchange(b".\r\n")
        if not mail.good:
            return Outcome(error=self._rejected(mail, stage="sender"), reply=mail)
        errors = {one: self._rejected(reply, stage="recipient") for one, reply in answers.items()}
        return Outcome(refused=errors, reply=list(answers.values())[-1])

    def _judge(self, answers: dict[str, Reply], go: Reply) -> Outcome | None:
        self._refused = {
            one: self._rejected(reply, stage="recipient") for one, reply in answers.items() if not reply.good
        }
        if go.code == 354:
            return None
        self._dirty = True
        return Outcome(error=self._rejected(go, stage="data"), reply=go)

    # --- the wire ------------------------------------------------------------------------------------------
    def _seconds(self, most: float) -> float:
        """What is left of the deadline, at most ``most``."""
        if self.deadline is None:
            return most
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise self._failure(f"Time ran out at stage {self.stage}.", "timeout", False)
        return min(most, left)

    def _command(self, line: str) -> Reply:
        return self._exchange(line.encode() + b"\r\n")

    def _exchange(self, line: bytes) -> Reply:
        self._write(line)
        return self._read(_REPLY_SECONDS)

    def _write(self, data: bytes, seconds: float = _REPLY_SECONDS, *, secret: bool = False) -> None:
        assert self._smtp.sock is not None
        if self.trace.lines is not None and not secret:
            for line in data.decode("utf-8", "replace").splitlines():
                self._say(f"C: {line}")
        try:
            self._smtp.sock.settimeout(self._seconds(seconds))
            self._smtp.sock.sendall(data)
        except OSError as exc:
            raise self._lost(exc) from exc

    def _read(self, seconds: float, waiting_for: str = "reply") -> Reply:
        assert self._smtp.sock is not None
        try:
            self._smtp.sock.settimeout(self._seconds(seconds))
            code, text = self._smtp.getreply()
        except smtplib.SMTPResponseException as exc:
            raise self._lost(exc) from exc
        except (OSError, smtplib.SMTPServerDisconnected) as exc:
            # smtplib hides a time-out of the socket in its own exception.
            cause = exc.__context__ if isinstance(exc.__context__, OSError) else exc
            raise self._lost(cause, greeting=waiting_for == "greeting") from exc
        reply = Reply(code, wire.printable(text))
        if code < 200:
            raise self._failure("The server's answer is not SMTP.", "bad_greeting", False)
        for line in reply.text.splitlines() or [""]:
            self._say(f"S: {code} {line}")
        return reply

    def close(self) -> None:
        """Says QUIT without waiting for the answer, and hangs up."""
        self.usable = False
        sock = self._smtp.sock
        if sock is not None:
            try:
                sock.settimeout(1)
                sock.sendall(b"QUIT\r\n")
            except OSError:
                pass  # it is gone already
        self._smtp.close()

    # --- failures ------------------------------------------------------------------------------------------
    def _failure(self, sentence: str, kind: str, permanent: bool, *, stage: str = "", code: int | None = None
    ) -> DeliveryError:  # fmt: skip
        return DeliveryError(
            sentence, stage=stage or self.stage, kind=kind, permanent=permanent, smtp_code=code
        )  # fmt: skip

    def _rejected(self, reply: Reply, *, stage: str = "", kind: str = "rejected") -> DeliveryError:
        text = self._masked(" ".join(reply.text.split())) or "no explanation"
        return self._failure(
            f"The server answered {reply.code} {text}",
            kind,
            reply.code >= 500,
            stage=stage,
            code=reply.code or None,
        )

    def _lost(self, exc: Exception, *, connecting: bool = False, greeting: bool = False) -> DeliveryError:
        self.usable = False
        kind, sentence = wire.lost(
            exc, self.target.host, self.target.port, connecting=connecting, greeting=greeting
        )
        return self._failure(sentence, kind, False)


@lru_cache(maxsize=1)
def _local_name() -> str:
    """What EHLO says: the node's name if it is a full one, else its address literal (RFC 5321 §4.1.3)."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"
