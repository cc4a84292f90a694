"""The DNS of the demo: answers for the zones in its folder, on this machine.

It knows no other names, and sends no queries. Zone files are read again when they change, so that you can correct a
record in an editor and press "Check now".
"""

from __future__ import annotations

import socketserver
import threading
from pathlib import Path
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.zone


class Zones:
    """The zones of a folder, each in a file ``NAME.zone``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[int, dns.zone.Zone | None]] = {}

    def of(self, name: dns.name.Name) -> dns.zone.Zone | None:
        """The zone that a name is in; None if it is in none of them, or if the file is broken."""
        for file in self._folder.glob("*.zone"):
            origin = dns.name.from_text(file.stem)
            if name.is_subdomain(origin):
                return self._zone(file, origin)
        return None

    def _zone(self, file: Path, origin: dns.name.Name) -> dns.zone.Zone | None:
        stamp = file.stat().st_mtime_ns
        known = self._read.get(file)
        if known is None or known[0] != stamp:
            try:
                zone = dns.zone.from_text(file.read_text(), origin, relativize=False)
            except (dns.exception.DNSException, OSError, ValueError):
                zone = None
            known = self._read[file] = (stamp, zone)
        return known[1]


def answer(zones: Zones, query: dns.message.Message) -> dns.message.Message:
    """The reply to a query."""
    reply = dns.message.make_response(query, recursion_available=True)
    question = query.question[0]
    zone = zones.of(question.name)
    if zone is None:
        reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply
    reply.flags |= dns.flags.AA
    if not any(name.is_subdomain(question.name) for name in zone.nodes):
        reply.set_rcode(dns.rcode.NXDOMAIN)
    reply.answer += _found(zones, question.name, question.rdtype)
    if not reply.answer and zone.origin is not None:
        soa = zone.get_rrset(zone.origin, dns.rdatatype.SOA)
        reply.authority += [soa] if soa is not None else []
    return reply


def _found(zones: Zones, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> list[dns.rrset.RRset]:
    """The records of the name; of an alias, as resolvers answer, the alias and the records that it leads to."""
    zone = zones.of(name)
    if zone is None:
        return []
    if (found := zone.get_rrset(name, kind)) is not None:
        return [found]
    alias = zone.get_rrset(name, dns.rdatatype.CNAME)
    if alias is None or alias[0].target == name:
        return [] if alias is None else [alias]
    return [alias, *_found(zones, alias[0].target, kind)]


def _reply(zones: Zones, wire: bytes) -> bytes:
    """The reply on the wire; nothing if it is not a query."""
    try:
        query = dns.message.from_wire(wire)
        return answer(zones, query).to_wire(max_size=65_535) if query.question else b""
    except dns.exception.DNSException:
        return b""


class _Udp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        wire, socket = self.request
        reply = _reply(self.server.zones, wire)  # type: ignore[attr-defined]
        if len(reply) > 1232:  # what our clients accept; they ask again by TCP
            short = dns.message.make_response(dns.message.from_wire(wire))
            short.flags |= dns.flags.TC
            reply = short.to_wire()
        if reply:
            socket.sendto(reply, self.client_address)


class _Tcp(socketserver.StreamRequestHandler):
    timeout = 5

    def handle(self) -> None:
        length = int.from_bytes(self.rfile.read(2), "big")
        reply = _reply(self.server.zones, self.rfile.read(length))  # type: ignore[attr-defined]
        self.wfile.write(len(reply).to_bytes(2, "big") + reply)


class _TcpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads = True, True


def serve(folder: Path) -> str:
    """Answer in threads that end with this process; returns ``address:port``."""
    tcp: Any = _TcpServer(("127.0.0.1", 0), _Tcp)
    udp: Any = socketserver.ThreadingUDPServer(tcp.server_address, _Udp)
    for server in (tcp, udp):
        server.zones = Zones(folder)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{tcp.server_address[1]}"
