"""Judges a domain's SPF record by whether it authorises this node and its relay. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dnsrecords.answers import remembering
from dnsrecords.spf import advice
from dnsrecords.spf.evaluate import (
    LOOKUP_LIMIT,
    VOID_LIMIT,
    Cost,
    Result,
    SpfResult,
    cost,
    evaluate,
    published,
)
from dnsrecords.spf.senders import addresses_of
from dnsrecords.spf.terms import Mechanism, SpfRecord, is_record, parse, render
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnsrecords.answers import Lookup

#: Nobody's addresses (RFC 1112 §4, RFC 6666). If they pass, the record lets everybody in.
_STRANGERS = ("240.0.0.1", "100::1")


def judge(
    domain: str,
    texts: Sequence[str],
    lookup: Lookup,
    *,
    wanted: str,
    own_ips: Sequence[str],
    relay_include: str = "",
) -> Verdict:
    """Whether the SPF record of a domain authorises all hosts that its mail leaves through.

    Args:
        texts: every TXT record at the domain.
        wanted: the record for a domain that nobody else sends for.
        own_ips: this node's public addresses; empty: not known.
        relay_include: what authorises the relay, if it is not in ``wanted`` already.

    Raises:
        ValueError: one of ``own_ips`` is not an IP address.
    """
    published = tuple(text for text in texts if is_record(text))
    nearly = () if published else tuple(text for text in texts if advice.meant(text))
    records = tuple(parse(text if published else advice.repaired(text)) for text in published or nearly)
    case = _Case(domain, parse(wanted), tuple(own_ips), relay_include, records, remembering(lookup))
    if not records:
        return Verdict(Status.MISSING, advice.missing(domain))
    if nearly:
        return Verdict(Status.MISMATCH, advice.unreadable(nearly[0]), nearly, case.advice)
    status, message = case.finding
    # Somebody else's terms stay in what is offered to be pasted, also where nothing is wrong.
    better = case.advice if status is not Status.OK else case.instead(records[0])
    return Verdict(status, message, published, better)


@dataclass(frozen=True)
class _Case:
    """A domain, what is published there, and what is needed; each property is worked out once."""

    domain: str
    wanted: SpfRecord
    own_ips: tuple[str, ...]
    relay_include: str
    records: tuple[SpfRecord, ...]
    lookup: Lookup

    # --- what is wrong -------------------------------------------------------------------------------------
    @property
    def finding(self) -> tuple[Status, str]:
        """The gravest mistake; the merged record mends all of them."""
        record = self.records[0]
        if len(self.records) > 1:
            return Status.MISMATCH, self._with_limit(advice.several(len(self.records)))
        if record.errors:
            return Status.MISMATCH, self._with_limit(advice.malformed(record.errors[0]))
        if failure := self._first(Result.TEMPERROR):
            return Status.ERROR, f"The SPF record cannot be judged now. {failure.reason} Check again later."
        wrong = self._errors() or self._everybody() or self._not_authorised() or self._toothless()
        if wrong:
            return Status.MISMATCH, wrong
        return Status.OK, advice.remark(record, self.cost)

    def _errors(self) -> str:
        if self.cost.lookups > LOOKUP_LIMIT:
            after = self._cost_of(self.merged)
            return (
                advice.too_many(self.cost) if after.lookups > LOOKUP_LIMIT else advice.saved(self.cost, after)
            )
        if self.cost.voids > VOID_LIMIT:
            return self._with_limit(advice.voids(self.cost, self.dropped))
        failure = self._first(Result.PERMERROR)
        return self._with_limit(advice.broken(failure.reason, self.dropped)) if failure else ""

    def _not_authorised(self) -> str:
        refused = self.refused
        if refused and self._mx_is_awaited():
            return advice.no_mail_host_yet(self.domain, refused[0])
        if refused:
            matched = self.results[refused[0]].matched
            return self._with_limit(advice.not_ours(refused[0], matched))
        absent = [term for term in self._needed() if not self._covered(term)]
        return self._with_limit(advice.not_the_relay(absent)) if absent else ""

    def _everybody(self) -> str:
        let_in = (result.matched for result in self._strangers() if result.result is Result.PASS)
        return next(map(advice.everybody, let_in), "")

    def _toothless(self) -> str:
        neutral = any(result.result is Result.NEUTRAL for result in self._strangers())
        return advice.toothless(self.records[0]) if neutral else ""

    def _strangers(self) -> list[SpfResult]:
        return [self.results[ip] for ip in _STRANGERS]

    def _with_limit(self, message: str) -> str:
        """A message, and a warning if the record that is offered needs too many look-ups."""
        after = self._cost_of(self.merged)
        if after.lookups <= LOOKUP_LIMIT:
            return message
        return f"{message} {advice.too_many(after, 'The record given here')}"

    # --- evaluation ----------------------------------------------------------------------------------------
    @cached_property
    def results(self) -> dict[str, SpfResult]:
        """What the record says about our addresses, and about strangers."""
        return {ip: self._evaluated(ip, self.current) for ip in (*self.own_ips, *_STRANGERS)}

    @cached_property
    def cost(self) -> Cost:
        """What the record as it is published costs in look-ups."""
        return cost(self.domain, self.current)

    @cached_property
    def current(self) -> Lookup:
        """Look-ups in which the domain has the record that is judged, whichever server that came from."""
        readable = len(self.records) == 1 and not self.records[0].errors
        return self._with(self.records[0] if readable else advice.merged(self.records))

    @cached_property
    def refused(self) -> tuple[str, ...]:
        """Our addresses that do not pass."""
        return tuple(ip for ip in self.own_ips if self.results[ip].result is not Result.PASS)

    def _evaluated(self, ip: str, lookup: Lookup) -> SpfResult:
        return evaluate(self.domain, ip, f"postmaster@{self.domain}", self.domain, lookup)

    def _first(self, result: Result) -> SpfResult | None:
        # Where all hosts are of IPv4, each is a name in vain for a stranger of IPv6, and no harm is done.
        outcomes = (self.results[ip] for ip in (*self.own_ips, _STRANGERS[0]))
        return next((outcome for outcome in outcomes if outcome.result is result), None)

    def _with(self, record: SpfRecord) -> Lookup:
        return published(self.domain, render(record), self.lookup)

    def _cost_of(self, record: SpfRecord) -> Cost:
        return cost(self.domain, self._with(record))

    # --- what is needed ------------------------------------------------------------------------------------
    def _needed(self) -> list[Mechanism]:
        """Terms for everything that has to be authorised; our own host by its addresses, where these are known."""
        terms = [term for term in self.wanted.mechanisms if term.kind != "all"]
        if self.relay_include:
            terms.append(Mechanism("include", domain=self.relay_include))
        return [term for term in dict.fromkeys(terms) if term.kind != "mx" or not self.own_ips]

    @cached_property
    def basis(self) -> SpfRecord:
        """What is there, as one record that can be read and lets nobody in by accident."""
        return advice.merged(self.records, (), self.dropped)

    def _passes(self, ip: str) -> bool:
        return self._evaluated(ip, self._with(self.basis)).result is Result.PASS

    def _covered(self, term: Mechanism) -> bool:
        """Whether every sender that a term means passes: by the same term, or by others that say as much."""
        if advice.stands_in(term, self.basis):
            return True
        senders = addresses_of(term, self.domain, self.lookup)
        return bool(senders) and all(map(self._passes, senders))

    @cached_property
    def mail_hosts(self) -> tuple[str, ...]:
        """The addresses that the domain's MX records lead to."""
        return addresses_of(Mechanism("mx"), self.domain, self.lookup)

    def _mx_is_awaited(self) -> bool:
        """Whether the record is right, and only the MX record that it speaks of is not there yet."""
        return advice.stands_in(Mechanism("mx"), self.records[0]) and not self.mail_hosts

    def _missing_terms(self) -> list[Mechanism]:
        """Terms that have to be added."""
        terms = [term for term in self._needed() if not self._covered(term)]
        refused = [ip for ip in self.own_ips if not self._passes(ip)]
        hosts = [term for term in self.wanted.mechanisms if term.kind == "mx"] if refused else []
        absent = [term for term in hosts if not advice.stands_in(term, self.basis)]
        # Where the MX records lead elsewhere, mx does not let this node send; where there are none yet, it will.
        reached = {*refused} if hosts and not self.mail_hosts else {*self.mail_hosts}
        return [*absent, *(_exactly(ip) for ip in refused if ip not in reached), *terms]

    # --- the record to paste -------------------------------------------------------------------------------
    @cached_property
    def merged(self) -> SpfRecord:
        """One record that keeps what is there; short of look-ups, our hosts stand in it by address."""
        loose = [record.redirect for record in self.records if record.redirect and self._toothless()]
        # Included, a record lets the same senders pass, and the end is ours.
        included = [Mechanism("include", domain=domain) for domain in loose]
        dropped = {*self.dropped, *(f"redirect={domain}" for domain in loose)}
        record = advice.merged(self.records, [*self._missing_terms(), *included], dropped)
        if self._cost_of(record).lookups <= LOOKUP_LIMIT or not self.own_ips:
            return record
        return self._by_address(record)

    def _by_address(self, record: SpfRecord) -> SpfRecord:
        ours = [term for term in record.mechanisms if self._is_ours(term)]
        if not ours:
            return record
        return advice.merged([record], map(_exactly, self.own_ips), {*map(str, ours)})

    def _is_ours(self, term: Mechanism) -> bool:
        if term.kind not in {"a", "mx"} or term.qualifier != "+":
            return False
        senders = addresses_of(term, self.domain, self.lookup)
        # An mx that leads nowhere yet was put there for this node.
        return set(senders) <= set(self.own_ips) and (bool(senders) or term == Mechanism("mx"))

    @cached_property
    def dropped(self) -> tuple[str, ...]:
        """Terms that end every check in an error or let everybody in, and cannot be mended here."""
        terms = dict.fromkeys(
            term for record in self.records for term in record.mechanisms if term.kind != "all"
        )
        redirects = dict.fromkeys(record.redirect for record in self.records if record.redirect)
        without = [str(term) for term in terms if self._is_broken(term) or str(term) in self.open_doors]
        leading_nowhere = (f"redirect={domain}" for domain in redirects if self._leads_nowhere(domain))
        return (*without, *leading_nowhere)

    @cached_property
    def open_doors(self) -> frozenset[str]:
        """Terms by which strangers pass."""
        return frozenset(result.matched for result in self._strangers() if result.result is Result.PASS)

    def _leads_nowhere(self, redirect: str) -> bool:
        if f"redirect={redirect}" in self.open_doors:
            return True
        return self._is_broken(Mechanism("include", domain=redirect))

    def _is_broken(self, term: Mechanism) -> bool:
        if "%" in term.domain or not term.domain:
            return False
        if term.kind == "include":
            result = evaluate(term.domain, _STRANGERS[0], "", term.domain, self.lookup).result
            return result is Result.NONE or (result is Result.PERMERROR and self._stays_broken(term))
        if term.kind in {"a", "mx"} and self.cost.voids > VOID_LIMIT:
            return not addresses_of(term, self.domain, self.lookup)
        return False

    def _stays_broken(self, term: Mechanism) -> bool:
        """Whether an included record is wrong in itself, and does not only ask for too much."""
        return cost(term.domain, self.lookup).lookups <= LOOKUP_LIMIT

    def instead(self, record: SpfRecord) -> str:
        """A record as advice: empty when it says what the wanted one says."""
        return "" if set(record.terms) == set(self.wanted.terms) else render(record)

    @property
    def advice(self) -> str:
        """The merged record as advice."""
        return self.instead(self.merged)


def _exactly(ip: str) -> Mechanism:
    address = ipaddress.ip_interface(ip)
    return Mechanism(f"ip{address.version}", network=address)
