"""The senders that a term of an SPF record is about: some of the addresses that it matches. Pure."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from dnsrecords.spf.evaluate import NAMES_LIMIT, is_queryable, plain
from dnsrecords.spf.terms import Mechanism, is_record, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.answers import Lookup

#: As many as are tried to see whether another record covers a term.
_SAMPLES = 12


def addresses_of(term: Mechanism, domain: str, lookup: Lookup) -> tuple[str, ...]:
    """Some addresses that a term matches, enough to see whether another record lets them pass.

    Empty where the term depends on who sends, or DNS does not say.
    """
    addresses = _addresses_of(term, domain, lookup, set())
    return tuple(dict.fromkeys(islice(addresses, _SAMPLES)))


def _addresses_of(term: Mechanism, domain: str, lookup: Lookup, seen: set[str]) -> Iterator[str]:
    name = plain(term.domain) or plain(domain)
    if term.network is not None:
        yield str(term.network.network[0])
    elif term.kind == "include" and name not in seen and is_queryable(name):
        seen.add(name)
        yield from _addresses_included(name, lookup, seen)
    elif term.kind in {"a", "mx"} and is_queryable(name):
        values = lookup(name, "MX").values if term.kind == "mx" else ()
        hosts = [plain(value.partition(" ")[2]) for value in values] if term.kind == "mx" else [name]
        for host in filter(is_queryable, hosts[:NAMES_LIMIT]):
            yield from (*lookup(host, "A").values, *lookup(host, "AAAA").values)


def _addresses_included(name: str, lookup: Lookup, seen: set[str]) -> Iterator[str]:
    record = parse(next(filter(is_record, lookup(name, "TXT").values), ""))
    further = [Mechanism("include", domain=record.redirect)] if record.redirect else []
    for term in (*record.mechanisms, *further):
        if term.qualifier == "+":
            yield from _addresses_of(term, name, lookup, seen)
