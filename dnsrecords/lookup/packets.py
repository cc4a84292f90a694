"""Reads and writes plain DNS messages, as nearly all are, without dnspython's objects. Pure.

Checking a thousand domains takes 47,000 queries. dnspython spends half a millisecond on a query and its answer, and
this module a tenth of that. It refuses everything that is not plain (`UnusualError`); ``wire`` then leaves the message
to dnspython. What both can read they read in the same way (tests/dnsrecords/lookup/test_packets.py).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from socket import inet_ntoa
from typing import TYPE_CHECKING

import dns.exception
import dns.ipv6
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from dnsrecords.answers import Answer, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: CNAMEs followed within a message; a longer chain is a circle, or as useless as one.
MOST_ALIASES = 8
#: Bits of the second field of a message (RFC 1035 §4.1.1, RFC 4035 §3.2).
QR, AA, TC, AD = 0x8000, 0x0400, 0x0200, 0x0020
_OPCODE, _RCODE = 0x7800, 0x000F
_NXDOMAIN = 3
#: FORMERR, SERVFAIL, NOTIMP, REFUSED: with one of these, an answer may lack the question.
_WITHOUT_QUESTION = frozenset({1, 2, 4, 5})
_HEADER, _RECORD, _QUESTION = struct.Struct(">6H"), struct.Struct(">HHIH"), struct.Struct(">HH")
_SHORT, _SRV, _MINIMUM = struct.Struct(">H"), struct.Struct(">HHH"), struct.Struct(">16xI")
_IN, _OPT = 1, 41
_NUMBERS = {
    type_: int(dns.rdatatype.from_text(type_))
    for type_ in ("A", "NS", "CNAME", "SOA", "PTR", "MX", "TXT", "AAAA", "SRV", "DNAME", "TLSA", "CAA")
}
_CNAME, _SOA, _DNAME = (_NUMBERS[type_] for type_ in ("CNAME", "SOA", "DNAME"))
#: A name has one record of these types; of several, the last counts.
_SINGLE = frozenset({_CNAME, _SOA, _DNAME})
#: Names whose text is their bytes, in lower case.
_PLAIN = re.compile(rb"[a-z0-9_*-]{1,63}(?:\.[a-z0-9_*-]{1,63})*")
_LONGEST = 253
#: A TTL beyond counts as zero (RFC 2181 §8).
_LONGEST_TTL = 0x7FFFFFFF


class UnusualError(Exception):
    """The message is for dnspython to read, or to refuse."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query, with what its answer is compared with."""

    number: int
    name: str
    type: int
    data: bytes


def query(number: int, name: str, type_: str, flags: int, payload: int) -> Query:
    """The message of a question.

    Args:
        number: the query's id.
        payload: the longest answer that EDNS announces; 0 means no EDNS.

    Raises:
        UnusualError: the name or the type is not plain.
    """
    plain = name.removesuffix(".").lower().encode("ascii", "replace")
    if type_ not in _NUMBERS or len(plain) > _LONGEST or not _PLAIN.fullmatch(plain):
        raise UnusualError
    labels = b"".join(bytes((len(label),)) + label for label in plain.split(b"."))
    edns = b"\0" + _RECORD.pack(_OPT, payload, 0, 0) if payload else b""
    head = _HEADER.pack(number, flags, 1, 0, 0, int(bool(payload)))
    data = head + labels + b"\0" + _QUESTION.pack(_NUMBERS[type_], _IN) + edns
    return Query(number, plain.decode(), _NUMBERS[type_], data)


@dataclass(frozen=True, slots=True)
class _Record:
    """One record. Two with the same ``key`` are one.

    Attributes:
        text: the value, as ``wire.text`` has it; of a SOA record, how long caches may keep that there is nothing.
        at: where its data begins.
    """

    name: str
    type: int
    ttl: int
    key: bytes | str
    text: str
    at: int
    length: int


class Reply:
    """A message that has arrived.

    Raises:
        UnusualError: it is not a plain one.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._opt = False
        try:
            self._number, self.flags, questions, *counts = _HEADER.unpack_from(data)
            if self.flags & _OPCODE or questions > 1:
                raise UnusualError
            self.rcode = self.flags & _RCODE
            at = _HEADER.size
            self._question: tuple[str, int] | None = None
            if questions:
                at = self._read_question(at)
            self._answer, at = self._section(at, counts[0])
            self._authority, at = self._section(at, counts[1])
            _, at = self._section(at, counts[2], additional=True)
        except (IndexError, struct.error, dns.exception.DNSException) as exc:
            raise UnusualError from exc
        if at != len(data):
            raise UnusualError

    def is_for(self, asked: Query) -> bool:
        """Whether it answers the query."""
        if not self.flags & QR or self._number != asked.number:
            return False
        if self._question is None:
            return self.rcode in _WITHOUT_QUESTION
        return self._question == (asked.name, asked.type)

    # --- what it says ----------------------------------------------------------------------------------------
    def answer(self, name: str, type_: str, failures: Mapping[int, Outcome]) -> Answer:
        """What it answers to a question, as ``wire.answer`` tells it of dnspython's messages.

        Args:
            failures: rcode → how the question ended.
        """
        if self.rcode not in (0, _NXDOMAIN):
            return Answer(name, type_, failures.get(self.rcode, Outcome.BAD))
        chain = self._chain(name.removesuffix(".").lower())
        cname = chain[-1] if len(chain) > 1 and type_ != "CNAME" else ""
        if len(chain) > MOST_ALIASES:
            return Answer(name, type_, Outcome.BAD, cname=chain[1])
        # If the CNAME itself is asked for, the answer is at the name and not where that leads.
        records = _those(self._answer, chain[0] if type_ == "CNAME" else chain[-1], _NUMBERS[type_])
        authenticated = bool(self.flags & AD)
        dname = self._dname(chain[0]) if len(chain) > 1 else ""
        if records:
            values = tuple(map(self._text, _distinct(records)))
            return Answer(name, type_, Outcome.FOUND, values, _ttl(records), cname, (), authenticated, dname)
        outcome = Outcome.NXDOMAIN if self.rcode == _NXDOMAIN else Outcome.NO_DATA
        return Answer(name, type_, outcome, (), self._negative_ttl(), cname, (), authenticated, dname)

    def zone(self) -> str:
        """The zone that the SOA record in it names; empty when there is none."""
        soa = self._soa()
        return soa[0].name if soa else ""

    def _chain(self, name: str) -> list[str]:
        chain = [name]
        while len(chain) <= MOST_ALIASES and (cname := _those(self._answer, chain[-1], _CNAME)):
            chain.append(cname[-1].text)
        return chain

    def _dname(self, name: str) -> str:
        names = (record.name for record in self._answer if record.type == _DNAME)
        return next((above for above in names if name.endswith(f".{above}")), "")

    def _soa(self) -> list[_Record]:
        for section in (self._answer, self._authority):
            if found := next((record for record in section if record.type == _SOA), None):
                return _those(section, found.name, _SOA)
        return []

    def _negative_ttl(self) -> int | None:
        soa = self._soa()
        return min(_ttl(soa), int(soa[-1].text)) if soa else None

    def _text(self, record: _Record) -> str:
        # Names in a SOA record keep their case, and nobody reads it often.
        return (
            self._by_dnspython(record.type, record.at, record.length) if record.type == _SOA else record.text
        )

    # --- how it is read --------------------------------------------------------------------------------------
    def _read_question(self, at: int) -> int:
        name, at, _ = self._name(at)
        type_, class_ = _QUESTION.unpack_from(self._data, at)
        if class_ != _IN:
            raise UnusualError
        self._question = name, type_
        return at + _QUESTION.size

    def _section(self, at: int, count: int, *, additional: bool = False) -> tuple[list[_Record], int]:
        records = []
        for _ in range(count):
            name, at, _ = self._name(at)
            type_, class_, ttl, length = _RECORD.unpack_from(self._data, at)
            at += _RECORD.size
            if additional and type_ == _OPT and not (name or length or ttl >> 16 or self._opt):
                self._opt = True
                continue
            if class_ != _IN or at + length > len(self._data):
                raise UnusualError
            ttl = ttl if ttl <= _LONGEST_TTL else 0
            records.append(_Record(name, type_, ttl, *self._value(type_, at, length), at, length))
            at += length
        return records, at

    def _value(self, type_: int, at: int, length: int) -> tuple[bytes | str, str]:
        """What makes a record's data the same as another's, and its text."""
        data = self._data[at : at + length]
        match type_:
            case 16:  # TXT
                return data, _joined(data)
            case 1 if length == 4:  # A
                return data, inet_ntoa(data)
            case 28 if length == 16:  # AAAA
                return data, dns.ipv6.inet_ntoa(data)
            case 2 | 5 | 12:  # NS, CNAME, PTR
                text = self._whole_name(at, at + length)
            case 39:  # DNAME
                text = self._whole_name(at, at + length, compressed=False)
            case 15:  # MX
                text = f"{_SHORT.unpack_from(data)[0]} {self._whole_name(at + 2, at + length)}"
            case 33:  # SRV
                name = self._whole_name(at + _SRV.size, at + length)
                text = " ".join(map(str, (*_SRV.unpack_from(data), name)))
            case 6:  # SOA
                _, rest, _ = self._name(at)
                _, rest, _ = self._name(rest)
                if rest + _MINIMUM.size != at + length:
                    raise UnusualError
                text = str(_MINIMUM.unpack_from(self._data, rest)[0])
            case 52 | 257:  # TLSA, CAA
                text = self._by_dnspython(type_, at, length)
            case _:
                raise UnusualError
        return text, text

    def _by_dnspython(self, type_: int, at: int, length: int) -> str:
        number = dns.rdatatype.RdataType.make(type_)
        return dns.rdata.from_wire(dns.rdataclass.IN, number, self._data, at, length).to_text()

    def _whole_name(self, at: int, end: int, *, compressed: bool = True) -> str:
        name, after, was_compressed = self._name(at)
        if after != end or (was_compressed and not compressed):
            raise UnusualError
        return name

    def _name(self, at: int) -> tuple[str, int, bool]:
        """The name that begins there, where it ends, and whether it is compressed (RFC 1035 §4.1.4)."""
        data, labels, end, began, stop = self._data, [], 0, at, len(self._data)
        while length := data[at]:
            if length < 64:
                labels.append(data[at + 1 : at + 1 + length])
                at += 1 + length
                if at >= stop:
                    raise UnusualError
                continue
            end = end or at + 2
            at = (length & 0x3F) << 8 | data[at + 1]
            # Pointers lead backwards, to something that ends before; otherwise they could form a circle.
            if length < 0xC0 or at >= began:
                raise UnusualError
            began, stop = at, began
        name = b".".join(labels).lower()
        # A dot within a label would read as one between two.
        if labels and (len(name) > _LONGEST or name.count(b".") >= len(labels) or not _PLAIN.fullmatch(name)):
            raise UnusualError
        return name.decode(), end or at + 1, bool(end)


def _those(records: Iterable[_Record], name: str, type_: int) -> list[_Record]:
    return [record for record in records if record.type == type_ and record.name == name]


def _distinct(records: list[_Record]) -> list[_Record]:
    """One of those that are the same, in the order of the first ones."""
    if records[0].type in _SINGLE:
        return records[-1:]
    distinct: dict[bytes | str, _Record] = {}
    for record in records:
        distinct.setdefault(record.key, record)
    return list(distinct.values())


def _ttl(records: list[_Record]) -> int:
    return min(record.ttl for record in records)


def _joined(data: bytes) -> str:
    """The strings of a TXT record, joined."""
    strings, at = [], 0
    while at < len(data):
        after = at + 1 + data[at]
        strings.append(data[at + 1 : after])
        at = after
    if not strings or at != len(data):
        raise UnusualError
    return b"".join(strings).decode("latin-1")
