"""MX records: whether a domain's mail comes to this node, and to no other. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnsrecords import faults
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dnsrecords.answers import Answer
    from dnsrecords.records.build import Facts, Record
    from dnsrecords.spf.evaluate import Lookup


@dataclass(frozen=True, slots=True, order=True)
class Exchange:
    """Where mail goes; the lowest priority first. An empty host is the null MX: no mail at all (RFC 7505)."""

    priority: int
    host: str


def parse(value: str) -> Exchange | None:
    """``10 mail.example.org``, with or without the final dot; None: not written so."""
    priority, _, host = value.strip().partition(" ")
    if not priority.isascii() or not priority.isdigit():
        return None
    return Exchange(int(priority), host.strip().lower().rstrip("."))


def exchanges(values: Iterable[str]) -> tuple[Exchange, ...]:
    """All of a domain, sorted: the first is tried first."""
    return tuple(sorted(each for each in map(parse, values) if each))


def judge(record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
    """Whether mail comes to this node; the look-up itself went well."""
    found = exchanges(answer.values)
    if not found:
        return Verdict(Status.MISSING, _missing(record))
    problem = _problem(found, facts, lookup)
    if problem:
        return Verdict(Status.MISMATCH, problem, answer.values)
    return Verdict(Status.OK, _remark(found, facts, lookup), answer.values)


def _missing(record: Record) -> str:
    return (
        f"{record.name} has no MX record, so other mail servers do not know that its mail belongs here. "
        "Add the MX record."
    )


def _problem(found: tuple[Exchange, ...], facts: Facts, lookup: Lookup) -> str:
    return (
        _null(found)
        or _addresses(found, facts)
        or _doubled(found, facts)
        or _elsewhere(found, facts, lookup)
        or _alias(found, facts, lookup)
        or _order(found, facts, lookup)
    )


def _null(found: tuple[Exchange, ...]) -> str:
    if all(each.host for each in found):
        return ""
    return (
        'The record "0 ." says that the domain takes no mail at all (null MX), so other servers refuse to send. '
        "Replace it by the MX record given here."
    )


def _addresses(found: tuple[Exchange, ...], facts: Facts) -> str:
    # What a form makes of an address: a name like 192.0.2.1, or 192.0.2.1.example.com.
    for each in found:
        bare = each.host.removesuffix(f".{facts.domain}")
        if _is_address(bare):
            return f"The MX record points to the address {bare}; it has to be a name. Replace it by {facts.hostname}."
    return ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def _doubled(found: tuple[Exchange, ...], facts: Facts) -> str:
    wrong = f"{facts.hostname}.{facts.domain}"
    if all(each.host != wrong for each in found):
        return ""
    return (
        f"The MX record points to {wrong}: your DNS provider has appended the domain to the name. "
        f"Write {facts.hostname}. with the dot at its end, which keeps it from that."
    )


def _elsewhere(found: tuple[Exchange, ...], facts: Facts, lookup: Lookup) -> str:
    if _ours(found, facts, lookup):
        return ""
    hosts = _listed(each.host for each in found)
    return (
        f"The mail of {facts.domain} goes to {hosts} instead of this node. Replace this by the MX record given here, "
        "when this node is to receive the mail."
    )


def _ours(found: tuple[Exchange, ...], facts: Facts, lookup: Lookup) -> tuple[Exchange, ...]:
    """Those that lead to this node, by name or by address."""
    named = tuple(each for each in found if each.host == facts.hostname)
    return named or tuple(each for each in found if _same_address(each.host, facts, lookup))


def _same_address(host: str, facts: Facts, lookup: Lookup) -> bool:
    own = {str(ipaddress.ip_address(each)) for each in facts.addresses} or _addresses_of(
        facts.hostname, lookup
    )
    return bool(own & _addresses_of(host, lookup))


def _addresses_of(host: str, lookup: Lookup) -> set[str]:
    return {value for type_ in ("A", "AAAA") for value in lookup(host, type_).values}


def _alias(found: tuple[Exchange, ...], facts: Facts, lookup: Lookup) -> str:
    for each in _ours(found, facts, lookup):
        target = lookup(each.host, "A").cname
        if target:
            return (
                f"The MX record points to {each.host}, which is a CNAME to {target}; some servers refuse that "
                f"(RFC 2181 §10.3). Give {each.host} A and AAAA records of its own instead."
            )
    return ""


def _order(found: tuple[Exchange, ...], facts: Facts, lookup: Lookup) -> str:
    ours = _ours(found, facts, lookup)
    best = ours[0].priority
    others = [each for each in found if each not in ours]
    first = [each for each in others if each.priority < best]
    if first:
        return (
            f"Mail goes to {_listed(each.host for each in first)} first: its number is lower than this node's {best}. "
            "Delete that record, or give this node the lowest number."
        )
    beside = [each for each in others if each.priority == best]
    if beside:
        return (
            f"{_listed(each.host for each in beside)} has the same number as this node ({best}), so that a part of the "
            "mail goes there. Delete that record, or give it a higher number."
        )
    return ""


def _remark(found: tuple[Exchange, ...], facts: Facts, lookup: Lookup) -> str:
    ours = _ours(found, facts, lookup)
    others = [each for each in found if each not in ours]
    if others:
        hosts = _listed(each.host for each in others)
        return (
            f"When this node cannot be reached, mail goes to {hosts}; keep this only if that server passes it on to "
            "this node later, as mail may else be left there."
        )
    host = ours[0].host
    if host != facts.hostname:
        return f"{host} leads to this node, whose certificate names {facts.hostname}: better point the MX record there."
    return _without_address(host, lookup)


def _without_address(host: str, lookup: Lookup) -> str:
    answers = [lookup(host, type_) for type_ in ("A", "AAAA")]
    if any(each.values or faults.failed(each.outcome) for each in answers):
        return ""
    return f"The record is right, but {host} has no address yet, so no mail can arrive. Add its A record."


def _listed(names: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(names))
