"""Judges a domain's SPF record by whether it authorises this node and its relay. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dnsrecords.answers import remembering
from dnsrecords.spf import advice, repair
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
    from dnsrecords.spf.repair import Reading

#: Nobody's addresses (RFC 1112 §4, RFC 6666). If they pass, the record lets everyone send.
_STRANGERS = ("240.0.0.1", "100::1")


def judge(
    domain: str,
    texts: Sequence[str],
    lookup: Lookup,
    *,
    wanted: str,
    own_ips: Sequence[str],
    relay_include: str = "",
    hidden: bool = False,
) -> Verdict:
    """Whether the SPF record of a domain authorises all hosts that its mail leaves through.

    Args:
        texts: every TXT record at the domain.
        wanted: the record for a domain that nobody else sends for.
        own_ips: this node's public addresses; empty: not known.
        relay_include: what authorises the relay, if it is not in ``wanted`` already.
        hidden: this node has addresses that others cannot see, so that it sends by another one.

    Raises:
        ValueError: one of ``own_ips`` is not an IP address.
    """
    found = tuple(text for text in texts if is_record(text))
    nearly = tuple(text for text in texts if repair.meant(text))
    if not found and not nearly:
        return Verdict(Status.MISSING, advice.missing(domain))
    # Also what receivers do not recognise was meant to let somebody send.
    readings = tuple(map(repair.read, (*found, *nearly)))
    records = tuple(map(parse, found)) or tuple(reading.record for reading in readings)
    by_another = hidden and not own_ips
    case = _Case(
        domain,
        parse(wanted),
        tuple(own_ips),
        relay_include,
        by_another,
        records,
        readings,
        remembering(lookup),
    )
    if not found:
        return case.mended(Status.MISMATCH, advice.unreadable(nearly[0]), nearly)
    status, message = case.finding
    if status is not Status.OK:
        return case.mended(status, message, found)
    if nearly or case.has_ignored_terms:
        return case.mended(status, advice.ignored(nearly) if nearly else message, found)
    # Other people's terms stay in the record to paste, even if nothing is wrong.
    return Verdict(status, message, found, case.instead(records[0]))


@dataclass(frozen=True)
class _Case:
    """A domain, what is published there, and what is needed; each property is worked out once.

    Attributes:
        by_another: this node sends by an address that is not known.
        records: as receivers read them.
        readings: what these, and texts that receivers do not recognise, were meant to say.
    """

    domain: str
    wanted: SpfRecord
    own_ips: tuple[str, ...]
    relay_include: str
    by_another: bool
    records: tuple[SpfRecord, ...]
    readings: tuple[Reading, ...]
    lookup: Lookup

    @cached_property
    def meant(self) -> tuple[SpfRecord, ...]:
        """What the texts were meant to say, as records with valid terms only."""
        return tuple(reading.record for reading in self.readings)

    @property
    def has_ignored_terms(self) -> bool:
        """Whether the record is right, and has terms that receivers pass over: after an all, or with = for a colon."""
        record = self.records[0]
        kinds = [term.kind for term in record.mechanisms]
        return self.meant[0] != record or ("all" in kinds and kinds.index("all") < len(kinds) - 1)

    def mended(self, status: Status, message: str, found: tuple[str, ...]) -> Verdict:
        """A verdict with the merged record as advice, and everything in which that one differs."""
        # Give each reason only once.
        left_out = [each if each not in message else each[: each.index('" ') + 1] for each in self.left_out]
        changed = advice.changed(self._mended_words(), left_out)
        return Verdict(status, f"{message} {changed}".strip(), found, self.advice, self.left_out)

    def _mended_words(self) -> list[tuple[str, str]]:
        return [pair for reading in self.readings for pair in reading.mended]

    @cached_property
    def left_out(self) -> tuple[str, ...]:
        """What the merged record does not have: each term, and why."""
        unread = [str(fault) for reading in self.readings for fault in reading.lost]
        return tuple(dict.fromkeys([*unread, *(f'"{term}" {why}' for term, why in self.dropped.items())]))

    # --- what is wrong -------------------------------------------------------------------------------------
    @property
    def finding(self) -> tuple[Status, str]:
        """The most serious mistake; the merged record corrects all of them."""
        record = self.records[0]
        if len(self.records) > 1:
            return Status.MISMATCH, self._with_limit(advice.several(len(self.records)))
        if record.errors:
            return Status.MISMATCH, self._with_limit(advice.malformed(record.errors[0]))
        if failure := self._first(Result.TEMPERROR):
            return Status.ERROR, (
                f"The SPF record cannot be checked right now. {failure.reason} Check again later."
            )
        wrong = self._errors() or self._everybody() or self._not_authorised() or self._toothless()
        if wrong:
            return Status.MISMATCH, wrong
        unknown = advice.address_not_known() if self.by_another and not self._covered(Mechanism("mx")) else ""
        return Status.OK, f"{advice.remark(record, self.cost)} {unknown}".strip()

    def _errors(self) -> str:
        if self.cost.lookups > LOOKUP_LIMIT:
            after = self._cost_of(self.merged)
            return (
                advice.too_many(self.cost) if after.lookups > LOOKUP_LIMIT else advice.saved(self.cost, after)
            )
        if self.cost.voids > VOID_LIMIT:
            return self._with_limit(advice.voids(self.cost, mends=bool(self.dropped)))
        failure = self._first(Result.PERMERROR)
        mends = bool(self.dropped) or self.meant != self.records
        return self._with_limit(advice.broken(failure.reason, mends=mends)) if failure else ""

    def _not_authorised(self) -> str:
        refused = self.refused
        if refused and self._mx_is_awaited():
            return advice.no_mail_host_yet(self.domain, refused[0])
        if refused:
            matched = self.results[refused[0]].matched
            return self._with_limit(advice.not_ours(refused[0], matched))
        absent = [term for term in self._needed() if not self._covered(term)]
        if self.by_another and self._lets_somebody_send():
            absent = [term for term in absent if term.kind != "mx"]
        return self._with_limit(advice.not_the_relay(absent)) if absent else ""

    def _lets_somebody_send(self) -> bool:
        """Whether the record says pass for others than the relay, of which this node may be one."""
        passing = [term for term in self.basis.mechanisms if term.qualifier == "+" and term.kind != "all"]
        return bool(self.basis.redirect or {*map(str, passing)} - {*map(str, self._needed())})

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
        return f"{message} {advice.too_many(after, 'The suggested record')}"

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
        return self._with(self.records[0] if readable else advice.merged(self.meant))

    @cached_property
    def refused(self) -> tuple[str, ...]:
        """Our addresses that do not pass."""
        return tuple(ip for ip in self.own_ips if self.results[ip].result is not Result.PASS)

    def _evaluated(self, ip: str, lookup: Lookup) -> SpfResult:
        return evaluate(self.domain, ip, f"postmaster@{self.domain}", self.domain, lookup)

    def _first(self, result: Result) -> SpfResult | None:
        # If all hosts have only IPv4, each is a void look-up for a stranger with IPv6, which does no harm.
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
        """The published content as one record that is readable and authorises nobody by accident."""
        return advice.merged(self.meant, (), self.dropped)

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
        loose = [record.redirect for record in self.meant if record.redirect and self._toothless()]
        # Included, a record lets the same senders pass, and the end is ours.
        included = [Mechanism("include", domain=domain) for domain in loose]
        dropped = {*self.dropped, *(f"redirect={domain}" for domain in loose)}
        record = advice.merged(self.meant, [*self._missing_terms(), *included], dropped)
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
    def dropped(self) -> dict[str, str]:
        """Terms that end every check in an error or let everyone in, and cannot be corrected here, each with the
        reason."""
        reasons: dict[str, str] = {}
        for record in self.meant:
            for term in record.mechanisms:
                if term.kind != "all" and (why := self._why_dropped(str(term), term)):
                    reasons[str(term)] = why
            if record.redirect:
                text = f"redirect={record.redirect}"
                if why := self._why_dropped(text, Mechanism("include", domain=record.redirect)):
                    reasons[text] = why
        return reasons

    def _why_dropped(self, text: str, term: Mechanism) -> str:
        if text in self.open_doors:
            return "lets anyone send"
        return self._why_broken(term)

    @cached_property
    def open_doors(self) -> frozenset[str]:
        """Terms that let strangers pass."""
        return frozenset(result.matched for result in self._strangers() if result.result is Result.PASS)

    def _why_broken(self, term: Mechanism) -> str:
        if "%" in term.domain or not term.domain:
            return ""
        if term.kind == "include":
            result = evaluate(term.domain, _STRANGERS[0], "", term.domain, self.lookup).result
            if result is Result.NONE:
                return "names a domain without an SPF record"
            return "names a record that ends in an error" if self._is_broken_itself(term, result) else ""
        if term.kind in {"a", "mx"} and self.cost.voids > VOID_LIMIT:
            return (
                ""
                if addresses_of(term, self.domain, self.lookup)
                else "names something that does not exist in DNS"
            )
        return ""

    def _is_broken_itself(self, term: Mechanism, result: Result) -> bool:
        """Whether an included record is wrong in itself, and does not only ask for too much."""
        return result is Result.PERMERROR and cost(term.domain, self.lookup).lookups <= LOOKUP_LIMIT

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
