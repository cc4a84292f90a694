"""What a domain's SPF record says about a sender: check_host() of RFC 7208 §4, over look-ups passed in. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, TypeAlias

from dnsrecords.answers import Outcome
from dnsrecords.spf import macros, terms
from dnsrecords.spf.terms import Mechanism

if TYPE_CHECKING:
    from dnsrecords.answers import Answer, Lookup

Address: TypeAlias = IPv4Address | IPv6Address

#: §4.6.4. More MX hosts than this are an error, more PTR names are left out.
LOOKUP_LIMIT, VOID_LIMIT, NAMES_LIMIT = 10, 2, 10
#: Where counting past the limit ends: records that include each other never do.
_COUNT_LIMIT = 60
#: What can be asked: ASCII without the backslash, which starts an escape.
_NAME = re.compile(r"[ -\[\]-~]{1,253}")
_ANSWERS = frozenset({Outcome.FOUND, Outcome.NO_DATA, Outcome.NXDOMAIN})


class Result(StrEnum):
    """The results of a check (§2.6)."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


_BY_QUALIFIER = {"+": Result.PASS, "-": Result.FAIL, "~": Result.SOFTFAIL, "?": Result.NEUTRAL}


@dataclass(frozen=True, slots=True)
class SpfResult:
    """The result of a check, and how it came about.

    Attributes:
        reason: one sentence.
        lookups: how many terms asked DNS before the check ended.
        voids: how many questions had no answer (§4.6.4) before it ended.
        matched: the term of the domain's own record that decided; empty: none did.
    """

    result: Result
    reason: str
    lookups: int = 0
    voids: int = 0
    matched: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a whole record asks of DNS for a sender whom no term is about.

    Attributes:
        lookups: how many terms ask; not counted much beyond the limit.
        voids: how many questions have no answer.
        by_term: (term of the domain's own record, look-ups that it causes).
        empty: names that have no answer.
    """

    lookups: int = 0
    voids: int = 0
    by_term: tuple[tuple[str, int], ...] = ()
    empty: tuple[str, ...] = ()


class _Stop(Exception):
    """The check ends here without a matching term."""

    def __init__(self, result: Result, reason: str) -> None:
        super().__init__(reason)
        self.result, self.reason = result, reason


def evaluate(domain: str, ip: str, sender: str, helo: str, lookup: Lookup) -> SpfResult:
    """What the record of a domain says about mail from an address.

    Raises:
        ValueError: ``ip`` is not an IP address.
    """
    check = _Check(_address(ip), _sender(sender, helo), helo, lookup)
    if not _is_domain(domain):
        return SpfResult(Result.NONE, f"{domain!r} is not a valid domain name.")
    try:
        result, matched = check.host(plain(domain))
    except _Stop as stop:
        return SpfResult(stop.result, stop.reason, check.lookups, check.voids)
    return SpfResult(result, _why(domain, ip, result, matched), check.lookups, check.voids, matched)


def cost(domain: str, lookup: Lookup) -> Cost:
    """What the record of a domain costs in look-ups, past the limit too."""
    # Nobody uses 240.0.0.0/4 (RFC 1112 §4): no term matches it, so the check reads all of them.
    check = _Check(IPv4Address("240.0.0.1"), f"postmaster@{domain}", domain, lookup, counting=True)
    try:
        check.host(plain(domain))
    except _Stop:
        pass
    return Cost(check.lookups, check.voids, tuple(check.by_term), tuple(dict.fromkeys(check.empty)))


def published(domain: str, text: str, lookup: Lookup) -> Lookup:
    """Look-ups as they would be with ``text`` as the domain's only TXT record."""

    def with_record(name: str, type_: str) -> Answer:
        answer = lookup(name, type_)
        if (name, type_) != (plain(domain), "TXT"):
            return answer
        return replace(answer, outcome=Outcome.FOUND, values=(text,))

    return with_record


def _why(domain: str, ip: str, result: Result, matched: str) -> str:
    if result is Result.NONE:
        return f"{domain} has no SPF record."
    if not matched:
        return f"No term in the SPF record of {domain} matches {ip}."
    return f'"{matched}" in the SPF record of {domain} says {result} for {ip}.'


@dataclass(slots=True)
class _Check:
    """One check.

    Attributes:
        counting: reads on past limits and errors.
        depth: how many records include or redirect to the one that is being read.
    """

    ip: Address
    sender: str
    helo: str
    lookup: Lookup
    counting: bool = False
    lookups: int = 0
    voids: int = 0
    depth: int = 0
    by_term: list[tuple[str, int]] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)

    # --- records and terms ---------------------------------------------------------------------------------
    def host(self, domain: str) -> tuple[Result, str]:
        """The result for a domain, and its own term that decided."""
        text = self._record_of(domain)
        if text is None:
            return Result.NONE, ""
        record = terms.parse(text)
        if record.errors and not self.counting:
            raise _Stop(Result.PERMERROR, f"In the SPF record of {domain}, {record.errors[0]}.")
        for term in record.mechanisms:
            if self._matches(term, domain):
                return _BY_QUALIFIER[term.qualifier], str(term)
        return self._redirected(record.redirect, domain) if record.redirect else (Result.NEUTRAL, "")

    def _record_of(self, domain: str) -> str | None:
        answer = self._ask(domain, "TXT", void=False)
        texts = [text for text in answer.values if terms.is_record(text)]
        if len(texts) > 1 and not self.counting:
            raise _Stop(Result.PERMERROR, f"{domain} has {len(texts)} SPF records.")
        return texts[0] if texts else None

    def _matches(self, term: Mechanism, domain: str) -> bool:
        before = self.lookups
        try:
            return self._tried(term, domain)
        except _Stop:
            if not self.counting:
                raise
            return False
        finally:
            if self.depth == 0:
                self.by_term.append((str(term), self.lookups - before))

    def _tried(self, term: Mechanism, domain: str) -> bool:
        if term.kind == "all":
            return True
        if term.network is not None:
            return term.network.version == self.ip.version and self.ip in term.network.network
        self._spend()
        target = self._target(term.domain, domain) if term.domain else domain
        if term.kind == "include":
            return self._included(target, term)
        # What DNS cannot be asked about does not exist (§4.8 leaves it open).
        return bool(target) and self._asked(term, target)

    def _asked(self, term: Mechanism, target: str) -> bool:
        if term.kind == "ptr":
            return any(name == target or name.endswith(f".{target}") for name in self._validated())
        if term.kind == "exists":
            return bool(self._ask(target, "A").values)
        hosts = self._mail_hosts(target) if term.kind == "mx" else [target]
        prefix = term.prefix4 if self.ip.version == 4 else term.prefix6
        near = ipaddress.ip_network(f"{self.ip}/{prefix}", strict=False)
        return any(address in near for host in hosts for address in self._addresses(host))

    def _included(self, target: str, term: Mechanism) -> bool:
        """§5.2: a record that is not there is an error of the one that includes it."""
        self.depth += 1
        try:
            result = self.host(target)[0] if target else Result.NONE
        finally:
            self.depth -= 1
        if result is Result.NONE:
            raise _Stop(Result.PERMERROR, f'"{term}" names a domain without an SPF record.')
        return result is Result.PASS

    def _redirected(self, spec: str, domain: str) -> tuple[Result, str]:
        before, term = self.lookups, f"redirect={spec}"
        self._spend()
        target = self._target(spec, domain)
        self.depth += 1
        try:
            result = self.host(target)[0] if target else Result.NONE
        finally:
            self.depth -= 1
            if self.depth == 0:
                self.by_term.append((term, self.lookups - before))
        if result is Result.NONE:
            raise _Stop(Result.PERMERROR, f'"{term}" names a domain without an SPF record.')
        return result, term

    # --- DNS -----------------------------------------------------------------------------------------------
    def _spend(self) -> None:
        self.lookups += 1
        if self.lookups > (_COUNT_LIMIT if self.counting else LOOKUP_LIMIT):
            raise _Stop(Result.PERMERROR, f"The record needs more than {LOOKUP_LIMIT} look-ups.")

    def _ask(self, name: str, type_: str, *, void: bool = True) -> Answer:
        answer = self.lookup(name, type_)
        if answer.outcome not in _ANSWERS:
            raise _Stop(Result.TEMPERROR, f"{type_} of {name} could not be looked up ({answer.outcome}).")
        if void and not answer.values:
            self.voids += 1
            self.empty.append(name)
            if self.voids > VOID_LIMIT and not self.counting:
                raise _Stop(
                    Result.PERMERROR, f"More than {VOID_LIMIT} names in the record do not exist in DNS."
                )
        return answer

    def _addresses(self, name: str) -> list[Address]:
        if not is_queryable(name):
            return []
        values = self._ask(name, "A" if self.ip.version == 4 else "AAAA").values
        return [ipaddress.ip_address(value) for value in values]

    def _mail_hosts(self, name: str) -> list[str]:
        values = self._ask(name, "MX").values
        if len(values) > NAMES_LIMIT:
            raise _Stop(Result.PERMERROR, f"{name} has more than {NAMES_LIMIT} MX records.")
        # A null MX (RFC 7505) is "0 ." and has no host.
        return [plain(value.partition(" ")[2]) for value in values]

    def _validated(self) -> list[str]:
        """The names of the sender's address that lead back to it (§5.5); errors are no names."""
        try:
            names = self._ask(self.ip.reverse_pointer, "PTR").values[:NAMES_LIMIT]
        except _Stop as stop:
            if stop.result is Result.PERMERROR:
                raise
            return []
        return [name for name in map(plain, names) if self._leads_back(name)]

    def _leads_back(self, name: str) -> bool:
        try:
            return self.ip in self._addresses(name)
        except _Stop as stop:
            if stop.result is Result.PERMERROR:
                raise
            return False

    # --- names ---------------------------------------------------------------------------------------------
    def _target(self, spec: str, domain: str) -> str:
        """The name that a domain-spec means; empty: DNS cannot be asked about it."""
        name = plain(macros.expand(spec, lambda letter: self._value(letter, domain)))
        while len(name) > 253 and "." in name:  # §7.3: labels go from the left until it fits
            name = name.partition(".")[2]
        return name if is_queryable(name) else ""

    def _value(self, letter: str, domain: str) -> str:
        local, _, sender_domain = self.sender.rpartition("@")
        if letter == "p":
            return self._name_of_sender(domain)
        version = "in-addr" if self.ip.version == 4 else "ip6"
        values = {"s": self.sender, "l": local, "o": sender_domain, "d": domain, "h": self.helo, "v": version}
        return (values | {"i": _dotted(self.ip)})[letter]

    def _name_of_sender(self, domain: str) -> str:
        """§7.2: rather the domain itself, then one below it, then any name."""
        names = self._validated()
        below = [name for name in names if name.endswith(f".{domain}")]
        return domain if domain in names else next(iter(below + names), "unknown")


def _address(text: str) -> Address:
    address = ipaddress.ip_address(text)
    # §5: an IPv4-mapped IPv6 address is an IPv4 address.
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def _dotted(ip: Address) -> str:
    return str(ip) if ip.version == 4 else ".".join(f"{int(ip):032x}")


def _sender(sender: str, helo: str) -> str:
    """§4.3: without a local part it is postmaster; an empty envelope sender is the host's (§2.4)."""
    local, _, domain = (sender or helo).rpartition("@")
    return f"{local or 'postmaster'}@{domain}"


def plain(name: str) -> str:
    """A name as it is looked up."""
    return name.lower().removesuffix(".")


def is_queryable(name: str) -> bool:
    """Whether DNS can be asked about a name."""
    return _NAME.fullmatch(name) is not None and all(1 <= len(label) <= 63 for label in name.split("."))


def _is_domain(name: str) -> bool:
    """§4.3: whether a domain could have a record at all; an address in brackets could not."""
    return "." in plain(name) and is_queryable(plain(name)) and not name.startswith("[")
