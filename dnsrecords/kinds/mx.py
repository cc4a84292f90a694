"""MX: where a domain's mail goes. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dnsrecords import faults
from dnsrecords.kinds.kind import Kind
from dnsrecords.mtasts import policy
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dnsrecords.answers import Answer, Lookup, Question
    from dnsrecords.mtasts.policy import Fetch
    from dnsrecords.records.facts import Facts
    from dnsrecords.records.record import Record

_PRIORITY = 10


@dataclass(frozen=True, slots=True, order=True)
class Exchange:
    """Where mail goes; the lowest priority first. An empty host is the null MX: no mail at all (RFC 7505)."""

    priority: int
    host: str


def parse(value: str) -> Exchange | None:
    """``10 mail.example.org``, with or without the final dot; None: not written so."""
    priority, _, host = value.strip().partition(" ")
    if not priority.isascii() or not priority.isdigit() or len(priority) > 5:
        return None
    return Exchange(int(priority), host.strip().lower().rstrip("."))


def exchanges(values: Iterable[str]) -> tuple[Exchange, ...]:
    """All of a domain, sorted: the first is tried first."""
    return tuple(sorted(exchange for exchange in map(parse, values) if exchange))


class Mx(Kind):
    """The domain's MX record."""

    key = "mx"
    type = "MX"
    label = "MX"
    required = True
    not_yet = "The mail server has no hostname yet. Set it up first."
    strays = True

    def wanted(self, facts: Facts) -> Iterator[Record]:
        """One record; without a value until the stack has a hostname."""
        purpose = f"Tells other mail servers to deliver the mail for {facts.domain} to this node."
        yield self.record(facts.domain, f"{_PRIORITY} {facts.hostname}." if facts.hostname else "", purpose)

    def questions(self, record: Record, facts: Facts, answer: Answer) -> Iterator[Question]:
        """The addresses of all hosts, and of the one that is wanted."""
        hosts = [exchange.host for exchange in exchanges(answer.values)]
        yield from ((host, type_) for host in (facts.hostname, *hosts) if host for type_ in ("A", "AAAA"))
        if facts.hostname and not facts.mta_sts:
            yield (policy.record_name(facts.domain), "TXT")
            yield from ((policy.host(facts.domain), type_) for type_ in ("A", "AAAA"))

    def judge(self, record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
        """Whether mail comes to this node, and to no other first."""
        published = exchanges(answer.values)
        if not published:
            message = (
                f"{record.name} has no MX record, so other mail servers do not know where to deliver its "
                "mail. Add the MX record."
            )
            return Verdict(Status.MISSING, message)
        problem = _problem(published, facts, lookup, answer.zone or facts.domain)
        if problem:
            return Verdict(Status.MISMATCH, problem, answer.values)
        return Verdict(Status.OK, _remark(published, facts, lookup), answer.values)

    def confirm(self, record: Record, facts: Facts, verdict: Verdict, fetch: Fetch) -> Verdict:
        """A policy of somebody else can keep mail away from the host that a right record names."""
        if not verdict.ok or facts.mta_sts or (fetched := fetch()) is None:
            return verdict
        status, sentence = policy.judge_left_over(facts.domain, facts.hostname, fetched)
        if not sentence:
            return verdict
        return replace(verdict, status=status, message=f"{verdict.message} {sentence}".lstrip())

    def recognises(self, record: Record, facts: Facts, value: str) -> bool:
        """Any record that names this node."""
        return any(exchange.host == facts.hostname for exchange in exchanges([value]))


def _problem(published: tuple[Exchange, ...], facts: Facts, lookup: Lookup, zone: str) -> str:
    return (
        _null(published)
        or _addresses(published, facts, zone)
        or _doubled(published, facts, zone)
        or _elsewhere(published, facts, lookup)
        or _alias(published, facts, lookup)
        or _order(published, facts, lookup)
    )


def _null(published: tuple[Exchange, ...]) -> str:
    if all(exchange.host for exchange in published):
        return ""
    return (
        'The record "0 ." says that the domain accepts no mail at all (null MX), so other servers refuse to send. '
        "Replace it with the suggested MX record."
    )


def _addresses(published: tuple[Exchange, ...], facts: Facts, zone: str) -> str:
    # What a form makes of an address: a name like 192.0.2.1, or 192.0.2.1.example.com.
    for exchange in published:
        bare = exchange.host.removesuffix(f".{zone}")
        if _is_address(bare):
            return (
                f"The MX record points to the address {bare}, but must point to a name. Replace it with "
                f"{facts.hostname}."
            )
    return ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def _doubled(published: tuple[Exchange, ...], facts: Facts, zone: str) -> str:
    wrong = f"{facts.hostname}.{zone}"
    if all(exchange.host != wrong for exchange in published):
        return ""
    return (
        f"The MX record points to {wrong}: your DNS provider has appended the domain to the name. Write "
        f"{facts.hostname}. with a dot at the end to prevent this."
    )


def _elsewhere(published: tuple[Exchange, ...], facts: Facts, lookup: Lookup) -> str:
    if _ours(published, facts, lookup):
        return ""
    return (
        f"The mail of {facts.domain} goes to {_hosts(published)} instead of this node. If this node should "
        "receive the mail, replace it with the suggested MX record."
    )


def _ours(published: tuple[Exchange, ...], facts: Facts, lookup: Lookup) -> tuple[Exchange, ...]:
    """Those that lead to this node, by name or by address."""
    named = tuple(exchange for exchange in published if exchange.host == facts.hostname)
    return named or tuple(exchange for exchange in published if _same_address(exchange.host, facts, lookup))


def _same_address(host: str, facts: Facts, lookup: Lookup) -> bool:
    own = {str(ipaddress.ip_address(address)) for address in facts.addresses} or _addresses_of(
        facts.hostname, lookup
    )
    return bool(own & _addresses_of(host, lookup))


def _addresses_of(host: str, lookup: Lookup) -> set[str]:
    return {value for type_ in ("A", "AAAA") for value in lookup(host, type_).values}


def _alias(published: tuple[Exchange, ...], facts: Facts, lookup: Lookup) -> str:
    for exchange in _ours(published, facts, lookup):
        target = lookup(exchange.host, "A").cname
        if target:
            return (
                f"The MX record points to {exchange.host}, which is a CNAME to {target}. Some servers "
                f"refuse that (RFC 2181 §10.3). Give {exchange.host} its own A and AAAA records instead."
            )
    return ""


def _order(published: tuple[Exchange, ...], facts: Facts, lookup: Lookup) -> str:
    ours = _ours(published, facts, lookup)
    best = ours[0].priority
    others = [exchange for exchange in published if exchange not in ours]
    first = [exchange for exchange in others if exchange.priority < best]
    if first:
        return (
            f"Mail goes to {_hosts(first)} first, because its number is lower than this node's {best}. "
            "Delete that record, or give this node the lowest number."
        )
    beside = [exchange for exchange in others if exchange.priority == best]
    if beside:
        return (
            f"{_hosts(beside)} has the same number as this node ({best}), so part of the mail goes there. "
            "Delete that record, or give it a higher number."
        )
    return ""


def _remark(published: tuple[Exchange, ...], facts: Facts, lookup: Lookup) -> str:
    ours = _ours(published, facts, lookup)
    others = [exchange for exchange in published if exchange not in ours]
    if others:
        return (
            f"When this node cannot be reached, mail goes to {_hosts(others)}. Keep this record only if "
            "that server forwards the mail to this node later; otherwise mail may stay there."
        )
    host = ours[0].host
    if host != facts.hostname:
        return (
            f"{host} leads to this node, but the certificate is for {facts.hostname}. Enter that name in "
            "the MX record."
        )
    return _without_address(host, lookup)


def _without_address(host: str, lookup: Lookup) -> str:
    answers = [lookup(host, type_) for type_ in ("A", "AAAA")]
    if any(answer.values or faults.failed(answer.outcome) for answer in answers):
        return ""
    return f"The record is correct, but {host} has no address yet, so no mail can arrive. Add its A record."


def _hosts(some: Iterable[Exchange]) -> str:
    return " and ".join(dict.fromkeys(exchange.host for exchange in some))
