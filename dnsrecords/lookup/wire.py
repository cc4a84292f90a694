"""DNS on the wire: builds the message of a question, and reads an answer into plain values."""

from __future__ import annotations

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

_RCODES = {
    dns.rcode.NXDOMAIN: Outcome.NXDOMAIN,
    dns.rcode.SERVFAIL: Outcome.SERVFAIL,
    dns.rcode.REFUSED: Outcome.REFUSED,
    dns.rcode.NOTAUTH: Outcome.REFUSED,
}
#: CNAMEs followed within a message; a longer chain is a circle, or as useless as one.
_MOST_ALIASES = 8


def query(name: str, type_: str, flags: int) -> dns.message.Message | None:
    """The message of a question; None: the name cannot be asked about.

    Args:
        flags: AD among them asks whether signatures hold (RFC 6840 §5.7).
    """
    try:
        message = dns.message.make_query(name, type_, use_edns=0, payload=1232)
    except (dns.exception.DNSException, UnicodeError, ValueError):
        return None
    message.flags = dns.flags.Flag(flags)
    return message


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
