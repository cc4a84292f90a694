"""SPF: who may send mail for the domain. Pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from dnsrecords.kinds.kind import Kind
from dnsrecords.spf import repair
from dnsrecords.spf.judge import judge
from dnsrecords.spf.providers import provider_of
from dnsrecords.spf.terms import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dnsrecords.answers import Answer, Lookup, Question
    from dnsrecords.records.facts import Facts
    from dnsrecords.records.record import Record
    from dnsrecords.verdicts import Verdict


class Spf(Kind):
    """The domain's SPF record (RFC 7208). It is evaluated, and not compared."""

    key = "spf"
    type = "TXT"
    label = "SPF"
    required = True
    strays = True
    merges = True

    def wanted(self, facts: Facts) -> Iterator[Record]:
        """One record, as for a domain that nobody else sends for."""
        senders = "this node"
        if facts.relay_include:
            provider = provider_of(facts.relay_include)
            senders += f" and {provider.name if provider else facts.relay_include}"
        elif facts.relay_hosts:
            senders += " and the relay"
        purpose = (
            f"Says that {senders} may send mail for {facts.domain}, and that mail from anywhere else is "
            "suspicious."
        )
        yield self.record(facts.domain, _value(facts), purpose)

    def questions(self, record: Record, facts: Facts, answer: Answer) -> Iterator[Question]:
        """The hosts that the wanted record names; the names in the published one are known only during evaluation."""
        if facts.hostname:
            yield (facts.hostname, "A")
            yield (facts.hostname, "AAAA")
            yield (facts.domain, "MX")

    def judge(self, record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
        """Whether this node and its relay may send; the advice keeps what others put into the record."""
        return judge(
            facts.domain,
            answer.values,
            lookup,
            wanted=record.value,
            own_ips=facts.addresses,
            relay_include=facts.relay_include,
            hidden=bool(facts.hidden_addresses),
        )

    def recognises(self, record: Record, facts: Facts, value: str) -> bool:
        """Whether the text is an SPF record, whatever its terms."""
        return value.lower().startswith(VERSION)

    def rules_out(self, value: str) -> bool:
        """Any SPF record, also one that has a mistake at its start."""
        return value.lstrip().lower().startswith(VERSION) or repair.meant(value)


def _value(facts: Facts) -> str:
    # mx, because whatever host the domain's mail goes to is ours: one look-up, and a new hostname or address of the
    # node needs no change here. ~all, because with -all some servers refuse forwarded mail before they look at its
    # DKIM signature (RFC 9989 §7.1); the DMARC policy handles mail that fails anyway.
    relays = [f"include:{facts.relay_include}"] if facts.relay_include else _by_host(facts.relay_hosts)
    return " ".join([VERSION, "mx", *relays, "~all"])


def _by_host(hosts: Iterable[str]) -> list[str]:
    """Mechanisms for relays of unknown providers: their hosts, as far as others can know these."""
    terms = (_host_term(host.lower().rstrip(".")) for host in hosts)
    return list(dict.fromkeys(term for term in terms if term))


def _host_term(host: str) -> str:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return f"a:{host}" if "." in host else ""
    return f"ip{address.version}:{address}" if address.is_global else ""
