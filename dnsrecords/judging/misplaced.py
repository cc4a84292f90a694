"""A record that is missing where it belongs, but stands under a name next to it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnsrecords.kinds.registry import kind_of
from dnsrecords.names import relative_name

if TYPE_CHECKING:
    from dnsrecords.answers import Lookup
    from dnsrecords.records.facts import Facts
    from dnsrecords.records.record import Record

#: Of a name in DNS, in characters.
_NAME_LIMIT = 253


def names(record: Record, facts: Facts) -> tuple[str, ...]:
    """Where a record ends up by mistake: the domain appended twice, no name at all, no underscore."""
    tried = [f"{record.name}.{facts.domain}"]
    if record.name != facts.domain:
        # A name that is not below the domain itself is not the operator's, or has its own meaning.
        tried += [facts.domain, record.name.replace("_", ""), record.name.replace("._domainkey", "")]
    return tuple(name for name in dict.fromkeys(tried) if name != record.name and len(name) <= _NAME_LIMIT)


def hint(record: Record, facts: Facts, lookup: Lookup) -> str:
    """Where the record stands, and how to put it right; empty: it is nowhere near."""
    kind = kind_of(record)
    for name in names(record, facts):
        if any(kind.recognises(record, facts, value) for value in lookup(name, record.type).values):
            return _sentence(record, facts, name)
    return ""


def _sentence(record: Record, facts: Facts, name: str) -> str:
    relative = relative_name(record.name, facts.domain)
    where = f"The record is at {name} instead of {record.name}"
    if name == f"{record.name}.{facts.domain}":
        return f"{where}, because your DNS provider appends the domain by itself. Enter only {relative} as its name."
    return (
        f"{where}. Enter {relative} as its name (or {record.name}, if your DNS provider wants the full name)."
    )
