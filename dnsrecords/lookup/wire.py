"""DNS on the wire: builds the message of a question, and reads an answer into plain values.

Plain messages are for ``packets``, which is fast; dnspython reads the others.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from dnsrecords.answers import Answer, Outcome
from dnsrecords.lookup import packets

_RCODES: dict[int, Outcome] = {
    dns.rcode.NXDOMAIN: Outcome.NXDOMAIN,
    dns.rcode.SERVFAIL: Outcome.SERVFAIL,
    dns.rcode.REFUSED: Outcome.REFUSED,
    dns.rcode.NOTAUTH: Outcome.REFUSED,
}
_MOST_ALIASES = packets.MOST_ALIASES


#: The longest answer that fits into a packet everywhere.
_PAYLOAD = 1232


class Truncated(Exception):
    """The answer does not fit into a packet, and has to be fetched by TCP."""


class Reply(Protocol):
    """A message that answers a query."""

    @property
    def rcode(self) -> int: ...
    @property
    def flags(self) -> int: ...
    def answer(self, name: str, type_: str) -> Answer: ...
    def zone(self) -> str:
        """The zone that the SOA record in it names; empty when there is none."""


@dataclass(frozen=True)
class Query:
    """A question that can be sent.

    Attributes:
        flags: AD among them asks whether signatures hold (RFC 6840 §5.7).
        edns: whether it says that longer answers than 512 bytes are welcome (RFC 6891).
    """

    name: str
    type: str
    flags: int
    number: int
    edns: bool = True

    @cached_property
    def _plain(self) -> packets.Query | None:
        try:
            payload = _PAYLOAD if self.edns else 0
            return packets.query(self.number, self.name, self.type, self.flags, payload)
        except packets.UnusualError:
            return None

    @cached_property
    def message(self) -> dns.message.Message:
        """The query as dnspython has it."""
        edns = 0 if self.edns else False
        message = dns.message.make_query(
            self.name, self.type, use_edns=edns, payload=_PAYLOAD, id=self.number
        )
        message.flags = dns.flags.Flag(self.flags)
        return message

    @cached_property
    def data(self) -> bytes:
        """The packet to send."""
        return self._plain.data if self._plain else self.message.to_wire()

    def without_edns(self) -> Query:
        """The same for servers that do not know EDNS."""
        return replace(self, edns=False)

    def read(self, data: bytes) -> Reply | None:
        """The answer in a packet; None if that is no answer to this question.

        Raises:
            Truncated: it is cut short.
        """
        if plain := self._read_plainly(data):
            return plain
        try:
            message = dns.message.from_wire(data, raise_on_truncation=True)
        except dns.message.Truncated as exc:
            if self.message.is_response(exc.message()):  # type: ignore[no-untyped-call]
                raise Truncated from exc
            return None
        except (dns.exception.DNSException, ValueError, EOFError):  # whatever a stranger sends
            return None
        return Message(message) if self.message.is_response(message) else None

    def _read_plainly(self, data: bytes) -> Reply | None:
        if not self._plain:
            return None
        try:
            packet = packets.Reply(data)
        except packets.UnusualError:
            return None
        if not packet.is_for(self._plain):
            return None
        if packet.flags & packets.TC:
            raise Truncated
        return Packet(packet)


class Packet:
    """A plain answer."""

    def __init__(self, packet: packets.Reply) -> None:
        self._packet = packet
        self.rcode, self.flags, self.zone = packet.rcode, packet.flags, packet.zone

    def answer(self, name: str, type_: str) -> Answer:
        return self._packet.answer(name, type_, _RCODES)


class Message:
    """An answer that dnspython has read."""

    def __init__(self, message: dns.message.Message) -> None:
        self._message = message

    @property
    def rcode(self) -> int:
        return self._message.rcode()

    @property
    def flags(self) -> int:
        return self._message.flags

    def answer(self, name: str, type_: str) -> Answer:
        return answer(self._message, name, type_)

    def zone(self) -> str:
        return zone_of(self._message)


def query(name: str, type_: str, flags: int) -> Query | None:
    """A question; None: the name cannot be asked about."""
    made = Query(name, type_, flags, secrets.randbits(16))
    try:
        _ = made.data
    except (dns.exception.DNSException, UnicodeError, ValueError):
        return None
    return made


def answer(message: dns.message.Message, name: str, type_: str) -> Answer:
    """What a message answers to a question."""
    rcode = message.rcode()
    if rcode not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        return Answer(name, type_, _RCODES.get(rcode, Outcome.BAD))
    chain = _chain(message, dns.name.from_text(name))
    cname = _plain(chain[-1]) if len(chain) > 1 and type_ != "CNAME" else ""
    if len(chain) > _MOST_ALIASES:
        return Answer(name, type_, Outcome.BAD, cname=_plain(chain[1]))
    # If the CNAME itself is asked for, the answer is at the name and not where that leads.
    rrset = _rrset(message, chain[0] if type_ == "CNAME" else chain[-1], type_)
    authenticated = bool(message.flags & dns.flags.AD)
    dname = _dname(message, chain[0]) if len(chain) > 1 else ""
    if rrset is not None:
        values = tuple(map(text, rrset))
        return Answer(name, type_, Outcome.FOUND, values, rrset.ttl, cname, (), authenticated, dname)
    outcome = Outcome.NXDOMAIN if rcode == dns.rcode.NXDOMAIN else Outcome.NO_DATA
    return Answer(name, type_, outcome, (), _negative_ttl(message), cname, (), authenticated, dname)


def zone_of(message: dns.message.Message) -> str:
    """The zone that the SOA record in an answer names; empty when there is none."""
    soa = _soa(message)
    return _plain(soa.name) if soa else ""


def text(data: dns.rdata.Rdata) -> str:
    """The value of one record as `dnsrecords.answers` has it.

    Names are in lower case without a final dot, the strings of a TXT record are joined, its bytes read as Latin-1.
    """
    match dns.rdatatype.to_text(data.rdtype):
        case "TXT":
            return b"".join(data.strings).decode("latin-1")  # type: ignore[attr-defined]
        case "MX":
            return f"{data.preference} {_plain(data.exchange)}"  # type: ignore[attr-defined]
        case "CNAME" | "PTR" | "NS" | "DNAME":
            return _plain(data.target)  # type: ignore[attr-defined]
        case "SRV":
            return f"{data.priority} {data.weight} {data.port} {_plain(data.target)}"  # type: ignore[attr-defined]
    return data.to_text()


def _negative_ttl(message: dns.message.Message) -> int | None:
    """How long caches may keep that there is nothing (RFC 2308 §5)."""
    soa = _soa(message)
    return int(min(soa.ttl, soa[0].minimum)) if soa else None


def _soa(message: dns.message.Message) -> dns.rrset.RRset | None:
    for rrset in (*message.answer, *message.authority):
        if rrset.rdtype == dns.rdatatype.SOA and rrset.rdclass == dns.rdataclass.IN:
            return rrset
    return None


def _chain(message: dns.message.Message, name: dns.name.Name) -> list[dns.name.Name]:
    """A name, followed by the targets of the CNAMEs in a message that lead on from it."""
    chain = [name]
    while len(chain) <= _MOST_ALIASES and (cname := _rrset(message, chain[-1], "CNAME")):
        chain.append(cname[0].target)
    return chain


def _dname(message: dns.message.Message, name: dns.name.Name) -> str:
    for rrset in message.answer:
        if rrset.rdtype == dns.rdatatype.DNAME and name != rrset.name and name.is_subdomain(rrset.name):
            return _plain(rrset.name)
    return ""


def _rrset(message: dns.message.Message, name: dns.name.Name, type_: str) -> dns.rrset.RRset | None:
    rdtype = dns.rdatatype.from_text(type_)
    for rrset in message.answer:
        if rrset.rdtype == rdtype and rrset.rdclass == dns.rdataclass.IN and rrset.name == name:
            return rrset
    return None


def _plain(name: dns.name.Name) -> str:
    """Lower case, without a final dot; the root is the empty text."""
    return name.canonicalize().to_text(omit_final_dot=True) if len(name) > 1 else ""
