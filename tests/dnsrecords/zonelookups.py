"""Answers as a zone of the test's own lines would give them, without a server."""

from __future__ import annotations

from collections.abc import Iterable

import dns.name
import dns.node
import dns.rdataset
import dns.rdatatype
import dns.zone

from dnsrecords.answers import Answer, Lookup, Outcome

_CNAMES = 5


def lookup_in(lines: Iterable[str], domain: str) -> Lookup:
    """Look-ups in a zone: CNAMEs are followed inside it, and the parent of an existing name is no error."""
    text = "\n".join(["$TTL 300", *lines, ""])
    zone = dns.zone.from_text(text, f"{domain}.", relativize=False, check_origin=False)

    def lookup(name: str, type_: str) -> Answer:
        return _answer(zone, name, type_)

    return lookup


def nothing(name: str, type_: str) -> Answer:
    """A world without names."""
    return Answer(name, type_, Outcome.NXDOMAIN)


def _answer(zone: dns.zone.Zone, asked: str, type_: str) -> Answer:
    name, cname = dns.name.from_text(f"{asked}."), ""
    for _ in range(_CNAMES):
        node = zone.get_node(name)
        alias = node.get_rdataset(zone.rdclass, dns.rdatatype.CNAME) if node else None
        if not alias or type_ == "CNAME":
            break
        name = alias[0].target
        cname = cname or _plain(name)
    rdataset = node.get_rdataset(zone.rdclass, dns.rdatatype.from_text(type_)) if node else None
    if rdataset:
        values = tuple(map(_value, rdataset))
        return Answer(asked, type_, Outcome.FOUND, values, rdataset.ttl, cname)
    exists = node or any(below.is_subdomain(name) for below in zone.nodes)
    return Answer(asked, type_, Outcome.NO_DATA if exists else Outcome.NXDOMAIN, cname=cname)


def _value(rdata: object) -> str:
    if hasattr(rdata, "strings"):
        return b"".join(rdata.strings).decode("latin-1")
    return " ".join(_plain(field) if field.endswith(".") else field for field in str(rdata).split(" "))


def _plain(name: object) -> str:
    return str(name).lower().rstrip(".")
