"""Whether other organisations agree to get a domain's reports (RFC 9990 §4; RFC 9991 §5 for failure reports). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnsrecords import faults
from dnsrecords.dmarc.policy import SCHEMES, is_policy, parse
from dnsrecords.dmarc.walk import questions as walk_questions
from dnsrecords.dmarc.walk import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.answers import Lookup, Question
    from dnsrecords.dmarc.policy import Policy
    from dnsrecords.dmarc.walk import Walk

#: Of a name in DNS, in characters.
_NAME_LIMIT = 253


@dataclass(frozen=True, slots=True)
class Refused:
    """A host that may not get reports.

    Attributes:
        name: where its owner has to agree.
        elsewhere: it agrees, but sends the reports on to a host where that is not allowed.
    """

    host: str
    name: str
    elsewhere: str = ""


def name_of(domain: str, host: str) -> str:
    """Where the owner of a host agrees to get the reports of a domain."""
    return f"{domain}._report._dmarc.{host}"


def questions(policy: Policy, domain: str) -> Iterator[Question]:
    """Everything that `refused` may look up, so that it can be queried in parallel."""
    for host in _hosts(policy, domain):
        yield (name_of(domain, host), "TXT")
        yield from walk_questions(host)


def refused(policy: Policy, own: Walk, lookup: Lookup) -> Iterator[Refused]:
    """The hosts that have not agreed, as far as is known.

    Args:
        own: the walk from the domain that has the policy.
    """
    domain = own.domain
    for host in _hosts(policy, domain):
        there = walk(host, lookup)
        # Names prove nothing either way: only a walk from both ends tells whether it is one organisation.
        if own.silent or there.silent or there.organisation == own.organisation:
            continue
        name = name_of(domain, host)
        if len(name) > _NAME_LIMIT:
            yield Refused(host, name)
            continue
        answer = lookup(name, "TXT")
        if faults.failed(answer.outcome):
            continue
        agreed = [parse(text) for text in answer.values if is_policy(text)]
        if not agreed:
            yield Refused(host, name)
        elif others := [address.host for each in agreed for address in each.reports if address.host != host]:
            yield Refused(host, name, others[0])


def _hosts(policy: Policy, domain: str) -> tuple[str, ...]:
    """Hosts that may be of another organisation; an address in brackets has no name to agree at."""
    addresses = (*policy.reports, *policy.failure_reports)
    hosts = (address.host for address in addresses if address.reaches(SCHEMES))
    return tuple(dict.fromkeys(host for host in hosts if host != domain and not host.startswith("[")))
