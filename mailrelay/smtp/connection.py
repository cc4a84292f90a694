"""One connection to the relay: opened stage by stage, then used for message after message, with PIPELINING (RFC 2920)
where the server offers it."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from mailrelay.legal.conversion import Legal, Offer, Unsendable, legalise
from mailrelay.smtp import sasl, wire
from mailrelay.smtp.channel import Channel, local_name
from mailrelay.smtp.dialogue import Envelope, Outcome, Reply, Target, Trace
from mailrelay.smtp.resolving import Address, resolve
from quazzar import tlsfailures, words
from quazzar.errors import DeliveryError

_CONNECT_SECONDS = 15.0
# RFC 5321 §4.5.3.2.6 allows ten minutes for the answer to the final dot; this is shorter, but still patient.
_DATA_SECONDS = 180.0


@lru_cache(maxsize=2)
def _tls_context(minute: int) -> ssl.SSLContext:
    """The system's trust store (SSL_CERT_FILE counts too), read again each minute so that a new CA is seen."""
    return ssl.create_default_context()


class Connection(Channel):
    """One open, authenticated connection.

    Attributes:
        round_trip: seconds that the TCP handshake or EHLO took, whichever was longer.
        idle_since: the ``time.monotonic()`` at which it was last put aside.

    Raises:
        DeliveryError: from every method, naming the stage that failed.
    """

    def __init__(self, target: Target, *, deadline: float | None = None, trace: Trace | None = None) -> None:
        super().__init__(target, deadline=deadline, trace=trace)
        self.round_trip = 0.0
        self.idle_since = 0.0
        # An announcement was refused half-way: the next one must begin with RSET.
        self._dirty = False
        self._features: dict[str, str] = {}
        self._refused: dict[str, DeliveryError] = {}
        # What became of the latest two: the one that is sent, and the one announced behind it.
        self._fitted: list[tuple[Envelope, Legal | DeliveryError]] = []

    # --- opening -------------------------------------------------------------------------------------------
    def open(self) -> Connection:
        """Resolve, connect, encrypt and sign in.

        Raises:
            DeliveryError: one of these failed; the connection is closed.
        """
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

    def _connect(self, addresses: Sequence[Address]) -> None:
        failure: DeliveryError | None = None
        for family, sockaddr in addresses:
            try:
                sock = self._dial(family, sockaddr)
            except OSError as exc:
                failure = self._lost(exc, connecting=True)
                self._note(f"*  {sockaddr[0]} port {sockaddr[1]}: {exc.strerror or exc}")
                continue
            self._note(f"*  connected to {sockaddr[0]} port {sockaddr[1]}")
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

    def _greet(self) -> None:
        self.stage = "connect"
        reply = self._read(_CONNECT_SECONDS, greeting=True)
        if reply.code != 220:
            raise self._rejected(reply, kind="bad_greeting" if reply.code < 400 else "rejected")
        self._hello()

    def _hello(self) -> None:
        started = time.monotonic()
        reply = self._command(f"EHLO {local_name()}")
        if self.stage == "connect":  # the distance to the server itself, not only to a proxy in front of it
            self.round_trip = max(self.round_trip, time.monotonic() - started)
        if not reply.good:
            reply = self._command(f"HELO {local_name()}")
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
            sentence = "The server does not offer STARTTLS on this port."
            raise self._failure(sentence, "tls_not_offered", permanent=True)
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
            permanent = failure.kind != "tls_failed"
            raise self._failure(failure.sentence, failure.kind, permanent=permanent) from exc
        except OSError as exc:
            raise self._lost(exc) from exc
        self._note(f"*  {sock.version()} {(sock.cipher() or ('',))[0]}, certificate verified")
        self._adopt(sock)

    def _authenticate(self) -> None:
        if not self.target.username:
            return
        self._enter("auth")
        offered = self._features.get("auth", "")
        mechanism = sasl.choose(offered)
        if mechanism is None:
            sentence = f"The server does not offer a way to sign in here (it offers {offered or 'nothing'})."
            raise self._failure(sentence, "auth_not_offered", permanent=True)
        self._note(f"C: AUTH {mechanism} ********")
        reply = Reply(0, "")
        latest = [reply]
        credentials = (self.target.username, self.target.password)
        for line in sasl.lines(mechanism, *credentials, challenge=lambda: latest[-1].text):
            self._write(line, secret=True)
            reply = self._read()
            latest.append(reply)
            if reply.code != 334:
                break
        if reply.code != 235:
            raise self._rejected(reply, kind="auth_rejected")

    # --- sending -------------------------------------------------------------------------------------------
    @property
    def pipelining(self) -> bool:
        """Whether commands may be sent without waiting for the answer to the one before."""
        return "pipelining" in self._features

    def send(self, envelope: Envelope) -> Outcome:
        """Send one message from start to end.

        Raises:
            DeliveryError: the connection broke. A refusal is in the outcome.
        """
        outcome = self.begin(envelope)
        return outcome or self.finish(envelope, None)[0]

    def begin(self, envelope: Envelope) -> Outcome | None:
        """Announce a message: MAIL, RCPT, DATA.

        Returns:
            None when ``finish`` may send the body; else the outcome: the server refused it, or must not be asked.

        Raises:
            DeliveryError: the connection broke.
        """
        fitted = self._fit(envelope)
        if isinstance(fitted, DeliveryError):
            return Outcome(error=fitted)
        commands = self._commands(envelope)
        self._enter("sender")
        if self.pipelining:
            self._write(b"".join(commands))
            return self._hear(envelope)
        return self._hear_one_by_one(envelope, commands)

    def finish(self, envelope: Envelope, following: Envelope | None) -> tuple[Outcome, bool]:
        """Send the body, with the announcement of the next message in the same flight if there is one.

        Returns:
            The outcome, and whether ``following`` was announced; then call ``announced`` for it.

        Raises:
            DeliveryError: the connection broke.
        """
        self._enter("data")
        data = self._legal(envelope).data
        pipelined = following is not None and self.pipelining and isinstance(self._fit(following), Legal)
        self._dirty = False
        flight = data if data.endswith(b"\r\n") else data + b"\r\n"
        flight = wire.dot_stuff(flight) + b".\r\n"
        if pipelined and following is not None:
            flight += b"".join(self._commands(following))
        self._note(f"C: [{len(data)} bytes of mail]")
        refused = self._refused
        self._write(flight, seconds=_DATA_SECONDS, secret=True)
        reply = self._read(_DATA_SECONDS)
        if reply.code == 421:
            self.usable = False
        error = None if reply.good else self._rejected(reply)
        return Outcome(error=error, refused={} if error else refused, reply=reply), pipelined

    def announced(self, envelope: Envelope) -> Outcome | None:
        """Read the answers to an announcement that went out with the message before it; returns as ``begin``."""
        return self._hear(envelope)

    def _commands(self, envelope: Envelope) -> list[bytes]:
        reset = [b"RSET\r\n"] if self._dirty else []
        mail = self._legal(envelope)
        size = len(mail.data)
        announcement = wire.mail_command(
            envelope.sender, size, self._features, utf8=mail.utf8, eight_bit=mail.eight_bit
        )
        return [*reset, announcement, *map(wire.rcpt_command, envelope.recipients), b"DATA\r\n"]

    def _legal(self, envelope: Envelope) -> Legal:
        fitted = self._fit(envelope)
        assert isinstance(fitted, Legal)  # begin() and finish() announce no other
        return fitted

    def _fit(self, envelope: Envelope) -> Legal | DeliveryError:
        """The mail as this server may be sent it, or why it must not be asked, known from what it offers."""
        for known, fitted in self._fitted:
            if known is envelope:
                return fitted
        fitted = self._made_legal(envelope)
        self._fitted = [*self._fitted[-1:], (envelope, fitted)]
        return fitted

    def _made_legal(self, envelope: Envelope) -> Legal | DeliveryError:
        offer = Offer(eight_bit="8bitmime" in self._features, utf8="smtputf8" in self._features)
        try:
            mail = legalise(envelope.data, offer, utf8=envelope.utf8)
        except Unsendable as exc:
            if exc.needs_utf8:
                return self._failure(
                    str(exc), "smtputf8_not_offered", permanent=True, stage="sender", code=553
                )
            return self._failure(str(exc), "rejected", permanent=True, stage="data")
        limit = int(self._features.get("size") or 0)
        if limit and len(mail.data) > limit:
            size = words.size(len(mail.data))
            sentence = f"The mail has {size}; the server takes {words.size(limit)} at most."
            return self._failure(sentence, "rejected", permanent=True, stage="sender", code=552)
        return mail

    def _hear(self, envelope: Envelope) -> Outcome | None:
        """Read the answers to a whole flight: [RSET,] MAIL, each RCPT, DATA."""
        if self._dirty:
            self._read()
        self._enter("sender")
        mail = self._read()
        if mail.code == 421:
            raise self._rejected(mail, kind="closed")
        if mail.good:
            self._enter("recipient")
        answers = {recipient: self._read() for recipient in envelope.recipients}
        data = self._read()
        if not mail.good or not any(reply.good for reply in answers.values()):
            return self._nobody(mail, answers, data)
        return self._judge(answers, data)

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
        answers = {recipient: self._exchange(queue.pop(0)) for recipient in envelope.recipients}
        if not any(reply.good for reply in answers.values()):
            return self._nobody(mail, answers, None)
        return self._judge(answers, self._exchange(queue.pop(0)))

    def _nobody(self, mail: Reply, answers: dict[str, Reply], data: Reply | None) -> Outcome:
        """No recipient was accepted. A server that answers DATA with 354 all the same gets an empty message, which it
        must refuse (RFC 2920 §3.1)."""
        self._dirty = True
        if data is not None and data.code == 354:
            self._exchange(b".\r\n")
        if not mail.good:
            return Outcome(error=self._rejected(mail, stage="sender"), reply=mail)
        return Outcome(refused=self._refusals(answers), reply=list(answers.values())[-1])

    def _judge(self, answers: dict[str, Reply], data: Reply) -> Outcome | None:
        self._refused = self._refusals(answers)
        if data.code == 354:
            return None
        self._dirty = True
        return Outcome(error=self._rejected(data, stage="data"), reply=data)

    def _refusals(self, answers: dict[str, Reply]) -> dict[str, DeliveryError]:
        """Recipient → failure, for those that the server did not accept."""
        return {
            recipient: self._rejected(reply, stage="recipient")
            for recipient, reply in answers.items()
            if not reply.good
        }
