"""How a connection to the relay begins: name, TCP, greeting, TLS, login."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from functools import lru_cache
from typing import Any, Self

from mailrelay.smtp import sasl, wire
from mailrelay.smtp.channel import Channel, local_name
from mailrelay.smtp.dialogue import Target, Trace
from mailrelay.smtp.resolving import Address, resolve
from mailrelay.smtp.wire import Reply
from quazzar import tlsfailures
from quazzar.errors import DeliveryError

_CONNECT_SECONDS = 15.0
#: How long to wait for plain text before TLS begins, because OpenSSL would swallow that of a server near by.
_PLAIN_SECONDS = 0.005
#: How much to look at of what comes in place of TLS, in bytes.
_PEEK = 512


@lru_cache(maxsize=2)
def _tls_context(minute: int) -> ssl.SSLContext:
    """The system's trust store (SSL_CERT_FILE counts too), read again each minute so that a new CA is seen."""
    return ssl.create_default_context()


class Opening(Channel):
    """The first part of a connection, stage by stage.

    Args:
        signing_in: entered while username and password are tried.

    Attributes:
        round_trip: seconds that the TCP handshake or EHLO took, whichever was longer.

    Raises:
        DeliveryError: from every method, naming the stage that failed.
    """

    def __init__(
        self,
        target: Target,
        *,
        deadline: float | None = None,
        trace: Trace | None = None,
        signing_in: AbstractContextManager[None] | None = None,
    ) -> None:
        super().__init__(target, deadline=deadline, trace=trace)
        self._signing_in = signing_in or nullcontext()
        self.round_trip = 0.0
        self._features: dict[str, str] = {}

    def open(self) -> Self:
        """Resolve, connect, encrypt and sign in.

        Raises:
            DeliveryError: one of these failed; the connection is closed.
        """
        with ExitStack() as on_failure:
            on_failure.callback(self.close)
            self._enter("resolve")
            addresses = resolve(self.target.host, self.target.port, self._seconds(_CONNECT_SECONDS))
            self._enter("connect")
            self._connect(addresses)
            self._protect()
            self._authenticate()
            on_failure.pop_all()
        self.usable = True
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
        with ExitStack() as on_failure:
            on_failure.callback(sock.close)
            sock.settimeout(self._seconds(_CONNECT_SECONDS))
            started = time.monotonic()
            # It took the connection, spoke and hung up: its words can be read.
            with suppress(ConnectionResetError):
                sock.connect(sockaddr)
            self.round_trip = time.monotonic() - started
            on_failure.pop_all()
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
        self._features = wire.features(reply.text) if reply.good else {}
        if reply.code in (500, 502):  # RFC 5321 §3.2: it does not know EHLO
            reply = self._command(f"HELO {local_name()}")
        if not reply.good:
            raise self._rejected(reply)

    def _protect(self) -> None:
        if self.target.security != "starttls":
            return
        self._enter("tls")
        if "starttls" not in self._features:
            sentence = "The server does not offer STARTTLS on this port."
            raise self._failure(sentence, "tls_not_offered", permanent=True)
        reply = self._command("STARTTLS")
        if reply.code != 220:
            raise self._rejected(reply, kind="tls_not_offered" if reply.code in (500, 502) else "rejected")
        self._wrap()
        self.stage = "connect"  # what it says now is no longer about TLS
        self._hello()

    def _wrap(self) -> None:
        context = _tls_context(int(time.time() // 60))
        try:
            sock = self._shake_hands(context)
        except ssl.SSLError as exc:
            failure = tlsfailures.explain(exc, self.target.host)
            permanent = failure.kind != "tls_failed"
            raise self._failure(failure.sentence, failure.kind, permanent=permanent) from exc
        except OSError as exc:
            raise self._lost(exc) from exc
        self._note(f"*  {sock.version()} {(sock.cipher() or ('',))[0]}, certificate verified")
        self._adopt(sock)

    def _shake_hands(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        """Begin TLS.

        Raises:
            OSError: that failed.
            DeliveryError: the server says in plain text why it does not.
        """
        assert self.sock is not None
        seconds, name = self._seconds(_CONNECT_SECONDS), self.target.host
        if self._said:
            self._refuse(self._read_ahead())
        with self.sock.dup() as plain:
            sock = context.wrap_socket(self.sock, server_hostname=name, do_handshake_on_connect=False)
            with ExitStack() as on_failure:
                on_failure.callback(sock.close)
                with suppress(TimeoutError):
                    self._refuse_plain_words(plain, _PLAIN_SECONDS)
                sock.settimeout(0)
                with suppress(ssl.SSLWantReadError):
                    sock.do_handshake()
                self._refuse_plain_words(plain, seconds)
                sock.settimeout(seconds)
                sock.do_handshake()
                on_failure.pop_all()
        return sock

    def _refuse_plain_words(self, plain: socket.socket, seconds: float) -> None:
        """Check whether the server refuses in plain text instead of beginning TLS. The peeked bytes can still be read.

        Raises:
            TimeoutError: nothing came.
            DeliveryError: with the server's words.
        """
        plain.settimeout(seconds)
        self._refuse(plain.recv(_PEEK, socket.MSG_PEEK))

    def _refuse(self, plain: bytes) -> None:
        reply = wire.answer(plain.splitlines())
        if reply.code >= 400:
            self._note_answer(reply)
            raise self._rejected(reply, stage="tls" if self._said else "connect")

    def _authenticate(self) -> None:
        if not self.target.username:
            return
        self._enter("auth")
        offered = self._features.get("auth", "")
        mechanisms = sasl.common(offered)
        if not mechanisms:
            sentence = f"The server does not offer a way to sign in here (it offers {offered or 'nothing'})."
            raise self._failure(sentence, "auth_not_offered", permanent=True)
        with self._signing_in:
            self._sign_in(mechanisms)

    def _sign_in(self, mechanisms: Sequence[str]) -> None:
        for mechanism in mechanisms:
            reply = self._try(mechanism)
            if reply.code == 235:
                return
            if not sasl.judges_mechanism(reply.code, reply.text):
                raise self._rejected(reply, kind="auth_rejected")
        sentence = (
            f"The server refused every sign-in method that both sides support ({', '.join(mechanisms)}), "
            f"with {reply.code} {self._one_line(reply)}"
        )
        raise self._failure(sentence, "auth_mechanism", permanent=reply.code >= 500, code=reply.code)

    def _try(self, mechanism: str) -> Reply:
        """The server's last answer to AUTH with this mechanism."""
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
        return reply
