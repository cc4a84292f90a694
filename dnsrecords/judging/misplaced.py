"""A record that is missing where it belongs, but stands under a name next to it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnsrecords.dkim import judge as dkimrecords
from dnsrecords.dmarc import judge as dmarcrecords
from dnsrecords.judging import mx as mxrecords
from dnsrecords.records.build import relative_name

if TYPE_CHECKING:
    from dnsrecords.records.build import Facts, Record
    from dnsrecords.spf.evaluate import Lookup

_NAME_LIMIT = 253


def names(record: Record, facts: Facts) -> tuple[str, ...]:
    """Where a required record ends up by mistake: the domain appended twice, no name at all, no underscore."""
    tried = [f"{record.name}.{facts.domain}"]
    if record.name != facts.domain:
        # A name that is not below the domain itself is not the operator's, or has its own meaning.
        tried += [facts.domain, record.name.replace("_", ""), record.name.replace("._domainkey", "")]
    return tuple(name for name in dict.fromkeys(tried) if name != record.name and len(name) <= _NAME_LIMIT)


def hint(record: Record, facts: Facts, lookup: Lookup) -> str:
    """Where the record stands, and how to put it right; empty: it is nowhere near."""
    for name in names(record, facts):
        if any(_is_it(record, facts, value) for value in lookup(name, record.type).values):
            return _sentence(record, facts, name)
    return ""


def _is_it(record: Record, facts: Facts, value: str) -> bool:
    if record.type == "MX":
        return any(each.host == facts.hostname for each in mxrecords.exchanges([value]))
    if record.id == "spf":
        return value.lower().startswith("v=spf1")
    if record.id == "dmarc":
        return dmarcrecords.is_policy(value)
    key = dkimrecords.parse(value).key
    return bool(key) and key == dkimrecords.parse(record.value).key


def _sentence(record: Record, facts: Facts, name: str) -> str:
    relative = relative_name(record.name, facts.domain)
    said = f"The record stands at {name} instead of {record.name}"
    if name == f"{record.name}.{facts.domain}":
        return f"{said}, because your DNS provider appends the domain by itself. Enter only {relative} as its name."
    return f"{said}. Enter {relative} as its name (or {record.name}, if your DNS provider wants it whole)."
