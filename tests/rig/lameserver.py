"""A name server that misbehaves as a test requires, in ways that no real one can be made to."""

from __future__ import annotations

import contextlib
import errno
import socket
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Self

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from tests.rig import LOOPBACK

#: The question, and whether it came by TCP → the answer's bytes; None: silence.
Reply = Callable[[dns.message.Message, bool], bytes | None]


class LameServer:
    """Use as a context: UDP and TCP on one loopback port, until it is left.

    Attributes:
        asked: (name, type, "udp" or "tcp") → how often.
    """

    def __init__(self, reply: Reply) -> None:
        self.asked: Counter[tuple[str, str, str]] = Counter()
        self._reply = reply
        self._tcp, self._udp = self._pair()
        self.port = self._tcp.server_address[1]
        for server in (self._tcp, self._udp):
            server.daemon_threads = True

    def _pair(self) -> tuple[socketserver.ThreadingTCPServer, socketserver.ThreadingUDPServer]:
        """Two servers with one port, which something else may have taken by UDP: then another one."""
        while True:
            tcp = socketserver.ThreadingTCPServer((LOOPBACK, 0), self._handler(by_tcp=True))
            try:
                port = tcp.server_address[1]
                return tcp, socketserver.ThreadingUDPServer((LOOPBACK, port), self._handler(by_tcp=False))
            except OSError as exc:
                tcp.server_close()
                if exc.errno != errno.EADDRINUSE:
                    raise

    @property
    def address(self) -> str:
        """As a resolver takes it."""
        return f"{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        for server in (self._tcp, self._udp):
            threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        for server in (self._tcp, self._udp):
            server.shutdown()
            server.server_close()

    def _answer(self, wire: bytes, *, by_tcp: bool) -> bytes | None:
        question = dns.message.from_wire(wire)
        name, type_ = question.question[0].to_text().split()[::2]
        self.asked[name.rstrip("."), type_, "tcp" if by_tcp else "udp"] += 1
        return self._reply(question, by_tcp)

    def _handler(self, *, by_tcp: bool) -> type[socketserver.BaseRequestHandler]:
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                # The client has gone, or the server is closed: a late answer reaches nobody.
                with contextlib.suppress(OSError):
                    self._handle()

            def _handle(self) -> None:
                if not by_tcp:
                    wire, sock = self.request
                    if answer := server._answer(wire, by_tcp=False):
                        sock.sendto(answer, self.client_address)
                    return
                stream: socket.socket = self.request
                length = int.from_bytes(stream.recv(2))
                if answer := server._answer(stream.recv(length), by_tcp=True):
                    stream.sendall(len(answer).to_bytes(2) + answer)

        return Handler


# --- replies -----------------------------------------------------------------------------------------------
def saying(*lines: str, rcode: str = "NOERROR", authority: tuple[str, ...] = (), flags: int = 0) -> Reply:
    """The same to every question: lines like ``example.com. 300 IN MX 10 mail``."""

    def reply(question: dns.message.Message, _: bool) -> bytes:
        return message(question, *lines, rcode=rcode, authority=authority, flags=flags).to_wire()

    return reply


def message(
    question: dns.message.Message,
    *lines: str,
    rcode: str = "NOERROR",
    authority: tuple[str, ...] = (),
    flags: int = 0,
) -> dns.message.Message:
    """An authoritative answer."""
    answer = dns.message.make_response(question)
    answer.flags |= dns.flags.AA | flags
    answer.set_rcode(dns.rcode.from_text(rcode))
    for section, texts in ((answer.answer, lines), (answer.authority, authority)):
        for text in texts:
            name, ttl, class_, type_, data = text.split(maxsplit=4)
            section.append(dns.rrset.from_text(name, int(ttl), class_, type_, data))
    return answer


def silent(question: dns.message.Message, by_tcp: bool) -> None:
    """Nothing at all."""


def slow(reply: Reply, seconds: float) -> Reply:
    """That, later."""

    def late(question: dns.message.Message, by_tcp: bool) -> bytes | None:
        time.sleep(seconds)
        return reply(question, by_tcp)

    return late
