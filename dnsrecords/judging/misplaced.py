"""A record that is missing at its own name, but is published under a similar one. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnsrecords.kinds.registry import kind_of
from dnsrecords.names import relative_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnsrecords.answers import Lookup
    from dnsrecords.records.facts import Facts
    from dnsrecords.records.record import Record

#: Of a name in DNS, in characters.
_NAME_LIMIT = 253
#: A label that is not in use.
_UNUSED = "quazzar-unused"


def names(record: Record, facts: Facts, zone: str) -> tuple[str, ...]:
    """Where a record ends up by mistake: the zone appended twice, only part of the name, no underscore.

    Args:
        zone: the zone that its name is in; empty: not known.
    """
    tried = [*_doubled(record, facts, zone)]
    if record.name != facts.domain:
        # A name that is not below the domain itself is not the operator's, or has its own meaning.
        tried += [facts.domain, record.name.replace("_", ""), record.name.replace("._domainkey", "")]
        tried += _shortened(record, facts, zone)
    return tuple(name for name in dict.fromkeys(tried) if name != record.name and len(name) <= _NAME_LIMIT)


def _doubled(record: Record, facts: Facts, zone: str) -> list[str]:
    return [f"{record.name}.{end}" for end in dict.fromkeys(filter(None, (zone, facts.domain)))]


def _shortened(record: Record, facts: Facts, zone: str) -> list[str]:
    """The name as if the domain were the zone itself, where it is a part of one."""
    if not zone or zone == facts.domain:
        return []
    return [f"{relative_name(record.name, facts.domain)}.{zone}"]


def hint(record: Record, facts: Facts, zone: str, lookup: Lookup) -> str:
    """Where the record is published, and how to fix it; empty: not under any similar name."""
    kind = kind_of(record)
    others = _shortened(record, facts, zone)
    for name in names(record, facts, zone):
        values = lookup(name, record.type).values
        # The record there may belong to the whole organisation, unless it is exactly this domain's.
        only_to_the_letter = name in others
        meant = (
            record.value in values
            if only_to_the_letter
            else any(kind.recognises(record, facts, value) for value in values)
        )
        if meant and (name == zone or not _by_wildcard(name, record.type, values, lookup)):
            return _sentence(record, facts, zone, name)
    return ""


def _by_wildcard(name: str, type_: str, values: Sequence[str], lookup: Lookup) -> bool:
    """Whether a name beside has the same, which nobody entered there (RFC 4592 §3.3.1)."""
    parent = name.partition(".")[2]
    return "." in parent and {*lookup(f"{_UNUSED}.{parent}", type_).values} == {*values}


def _sentence(record: Record, facts: Facts, zone: str, name: str) -> str:
    where = f"The record is at {name} instead of {record.name}"
    if not zone:
        return f"{where}. Enter {record.name} as its name, or the part of it that your DNS provider does not append."
    relative = relative_name(record.name, zone)
    if name in _doubled(record, facts, zone):
        return f"{where}, because your DNS provider appends the domain. Enter only {relative} as its name."
    return (
        f"{where}. Enter {relative} as its name (or {record.name}, if your DNS provider wants the full name)."
    )
