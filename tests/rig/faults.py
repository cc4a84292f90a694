"""A scripted SMTP server for the faults that a real Postfix does not show; it records what it is sent."""

import base64
import binascii
import contextlib
import math
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable

from tests.rig import LOOPBACK, Running, free_port
from tests.rig.ca import Certificate
from tests.rig.script import (
    CRLF,
    HANG_UP,
    RESET,
    SILENCE,
    Answer,
    Envelope,
    Reply,
    Script,
    Session,
    lines,
    take,
)

__all__ = [
    "HANG_UP",
    "RESET",
    "SILENCE",
    "BlackHole",
    "Envelope",
    "FaultServer",
    "Reply",
    "Script",
    "Session",
    "lines",
]
# RFC 2920: nothing may follow these in one flight, for their reply decides what may come next.
LAST_IN_FLIGHT = {"EHLO", "HELO", "STARTTLS", "AUTH", "DATA", "QUIT", "NOOP", "VRFY"}


class Gone(Exception):
    """The connection is over."""


class Wire:
    """The bytes of one connection, as lines."""

    def __init__(self, connection: socket.socket, session: Session, stopping: threading.Event) -> None:
        self.connection, self._session, self._stopping = connection, session, stopping
        self.buffer = bytearray()

    def encrypt(self, certificate: Certificate) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate.cert_file, certificate.key_file)
        # Wrapped before the handshake, so that `stop()` has a socket to end it by.
        wrapped = context.wrap_socket(self.connection, server_side=True, do_handshake_on_connect=False)
        self.connection = wrapped
        self.pause(0)
        wrapped.do_handshake()
        self._session.encrypted = True
        self.buffer.clear()

    def read_line(self) -> bytes:
        while (end := self.buffer.find(CRLF)) < 0:
            self._receive()
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 2]
        return line

    def _receive(self) -> None:
        data = self.connection.recv(65536)
        if not data:
            raise Gone
        self.buffer += data
        self._session.received += data

    def pending(self) -> int:
        """How many whole lines have come that were not read yet, without waiting for more."""
        self.connection.setblocking(False)
        try:
            with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, Gone):
                while True:
                    self._receive()
        finally:
            self.connection.setblocking(True)
        return self.buffer.count(CRLF)

    def pause(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise Gone

    def say(self, reply: Reply) -> None:
        """Do what the reply says.

        Raises:
            Gone: the reply ends the connection.
        """
        if math.isinf(reply.delay):
            self._listen_to_the_end()
        self.pause(reply.delay)
        for part in [reply.wire] if not reply.pace else [bytes([byte]) for byte in reply.wire]:
            self.connection.sendall(part)
            self.pause(reply.pace)
        if reply.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise Gone
        if reply.close:
            # Closed with bytes unread, TCP would send a reset and take back what was said.
            socket.socket.shutdown(self.connection, socket.SHUT_WR)
            self._listen_to_the_end()

    def _listen_to_the_end(self) -> None:
        while True:
            self._receive()


class Conversation:
    """Both sides of one session: reads commands, asks the script, records, replies."""

    def __init__(self, script: Script, session: Session, wire: Wire) -> None:
        self._script, self._session, self._wire = script, session, wire
        self._handlers: dict[str, Callable[[str], Reply]] = {
            "EHLO": self._hello,
            "HELO": self._hello,
            "STARTTLS": self._starttls,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "RSET": self._rset,
        }
        self._verb = ""

    def run(self) -> None:
        if self._script.certificate is not None and self._script.implicit_tls:
            self._wire.encrypt(self._script.certificate)
        self._wire.say(_reply(self._script.greeting))
        while True:
            line = self._wire.read_line().decode("utf-8", "surrogateescape")
            self._session.commands.append(line)
            verb, _, argument = line.partition(" ")
            self._verb = verb.upper()
            self._count()
            self._wire.say(self._handlers.get(self._verb, self._other)(argument))

    def _count(self) -> None:
        """Note how many commands wait for a reply, and what came too early."""
        self._wire.pause(self._script.latency)
        waiting = self._wire.pending()
        self._session.max_in_flight = max(self._session.max_in_flight, 1 + waiting)
        if self._wire.buffer and self._verb in LAST_IN_FLIGHT:
            self._session.early.append((self._verb, bytes(self._wire.buffer)))

    def _scripted(self, verb: str, ordinary: Answer) -> Reply:
        return _reply(take(self._script.commands.get(verb)) or ordinary)

    def _hello(self, argument: str) -> Reply:
        self._session.draft = None
        answer = self._script.on_ehlo if self._verb == "EHLO" else self._script.on_helo
        return self._scripted(self._verb, answer(self._session, argument))

    def _starttls(self, argument: str) -> Reply:
        reply = self._scripted("STARTTLS", self._script.on_starttls(self._session, argument))
        if reply.code == 220 and not reply.close and self._script.certificate is not None:
            self._wire.say(reply)
            self._wire.encrypt(self._script.certificate)
            return Reply(b"")
        return reply

    def _auth(self, argument: str) -> Reply:
        mechanism, _, initial = argument.partition(" ")
        if mechanism.upper() not in self._script.mechanisms.split() or not self._script.users:
            return self._scripted("AUTH", "504 5.5.4 Unrecognized authentication type")
        try:
            username, password = self._credentials(mechanism.upper(), initial)
        except (binascii.Error, ValueError):
            return Reply("501 5.5.2 Cannot decode")
        reply = self._scripted("AUTH", self._script.on_auth(self._session, username, password))
        if reply.code == 235:
            self._session.user = username
        return reply

    def _credentials(self, mechanism: str, initial: str) -> tuple[str, str]:
        if mechanism == "PLAIN":
            _, username, password = self._ask(initial, "").split("\0")
            return username, password
        return self._ask(initial, "VXNlcm5hbWU6"), self._ask("", "UGFzc3dvcmQ6")

    def _ask(self, given: str, challenge: str) -> str:
        if not given:
            self._wire.say(Reply(f"334 {challenge}"))
            given = self._wire.read_line().decode("ascii")
            self._session.commands.append(given)
        return base64.b64decode(given, validate=True).decode()

    def _mail(self, argument: str) -> Reply:
        address, parameters = _path(argument)
        self._session.draft = None
        reply = self._scripted("MAIL", self._script.on_mail(self._session, address, parameters))
        if reply.code == 250:
            self._session.draft = Envelope(address, [], [], parameters)
        return reply

    def _rcpt(self, argument: str) -> Reply:
        address, _ = _path(argument)
        reply = self._scripted("RCPT", self._script.on_rcpt(self._session, address))
        if (draft := self._session.draft) is not None:
            (draft.recipients if reply.code in (250, 251) else draft.refused).append(address)
        return reply

    def _data(self, argument: str) -> Reply:
        reply = self._scripted("DATA", self._script.on_data(self._session))
        if reply.code != 354 or reply.close:
            return reply
        self._wire.say(reply)
        envelope, self._session.draft = self._session.draft or Envelope("", [], [], ""), None
        envelope.at = time.monotonic()
        self._read_content(envelope)
        self._verb = "."
        self._count()
        reply = self._scripted(".", self._script.on_content(self._session, envelope))
        envelope.accepted = reply.code == 250
        self._session.envelopes.append(envelope)
        return reply

    def _read_content(self, envelope: Envelope) -> None:
        received = []
        while (line := self._wire.read_line()) != b".":
            received.append(line + CRLF)
        envelope.wire = b"".join(received)
        envelope.content = b"".join(line.removeprefix(b".") for line in received)

    def _other(self, argument: str) -> Reply:
        ordinary = {"NOOP": Reply("250 2.0.0 Ok"), "QUIT": Reply("221 2.0.0 Bye", close=True)}
        return self._scripted(self._verb, ordinary.get(self._verb, "500 5.5.2 Unknown command"))

    def _rset(self, argument: str) -> Reply:
        self._session.draft = None
        return self._scripted("RSET", "250 2.0.0 Ok")


def _reply(answer: Answer) -> Reply:
    return Reply(answer) if isinstance(answer, str) else answer


def _path(argument: str) -> tuple[str, str]:
    match = re.match(r"(?:FROM|TO):\s*<([^>]*)>\s*(.*)", argument, re.IGNORECASE)
    return (match[1], match[2]) if match else ("", argument)


class FaultServer(Running):
    """The server, on a port of 127.0.0.1 that stays the same, one thread per connection."""

    host = "localhost"

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or Script()
        self.port = free_port()
        self.sessions: list[Session] = []
        self._stopping = threading.Event()
        self._listener: socket.socket | None = None
        self._wires: list[Wire] = []
        self._threads: list[threading.Thread] = []

    @property
    def envelopes(self) -> list[Envelope]:
        """Every message whose content came whole, accepted or not, in the order of their DATA."""
        everything = [envelope for session in self.sessions for envelope in session.envelopes]
        return sorted(everything, key=lambda envelope: envelope.at)

    @property
    def accepted(self) -> list[Envelope]:
        """The messages that the client was told are accepted."""
        return [envelope for envelope in self.envelopes if envelope.accepted]

    @property
    def max_in_flight(self) -> int:
        """The largest number of commands that waited for a reply on one connection; 1 = no pipelining."""
        return max((session.max_in_flight for session in self.sessions), default=0)

    def start(self) -> None:
        self._stopping = threading.Event()
        self._listener = socket.create_server((LOOPBACK, self.port), backlog=128)
        arguments = self._listener, self._stopping
        self._acceptor = threading.Thread(target=self._accept, args=arguments, daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Stop listening, drop every connection and wait for the threads."""
        self._stopping.set()
        if self._listener is not None:
            self._hang_up(self._listener)
            self._acceptor.join(5)
            self._listener.close()
        for wire in self._wires:
            self._hang_up(wire.connection)
        for thread in self._threads:
            thread.join(5)
        self._wires, self._threads, self._listener = [], [], None

    @staticmethod
    def _hang_up(connection: socket.socket) -> None:
        # Not SSLSocket's own shutdown, which is not made for another thread.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket, stopping: threading.Event) -> None:
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session()
            wire = Wire(connection, session, stopping)
            self.sessions.append(session)
            self._wires.append(wire)
            thread = threading.Thread(target=self._serve, args=(session, wire), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, session: Session, wire: Wire) -> None:
        try:
            Conversation(self.script, session, wire).run()
        except ssl.SSLError as error:
            session.tls_error = str(error)
        except (OSError, Gone):
            pass
        finally:
            session.ended = True
            wire.connection.close()


class BlackHole(Running):
    """A port on which a connection is neither accepted nor refused, as behind a firewall that drops packets."""

    host = LOOPBACK

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self.port = 0

    def start(self) -> None:
        listener = socket.create_server((LOOPBACK, 0), backlog=0)
        self._sockets = [listener]
        self.port = listener.getsockname()[1]
        # With its backlog full the kernel drops every further SYN.
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex((LOOPBACK, self.port))
            self._sockets.append(filler)

    def stop(self) -> None:
        for each in self._sockets:
            each.close()
        self._sockets = []
