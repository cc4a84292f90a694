"""The DNS tree walk (RFC 9989 §4.10): which organisation a domain belongs to, and whose policy applies to it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnsrecords import faults
from dnsrecords.dmarc.policy import is_policy, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnsrecords.answers import Lookup, Question
    from dnsrecords.dmarc.policy import Policy

#: Of longer names, only the last labels are asked after the name itself: eight questions at most.
_MOST_LABELS = 7


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk up from a domain found.

    Attributes:
        found: (domain, its policy), the longest name first; of a name with several records, none.
        silent: domains whose record could not be looked up, so that the rest may be wrong.
    """

    domain: str
    found: tuple[tuple[str, Policy], ...] = ()
    silent: tuple[str, ...] = ()

    @property
    def organisation(self) -> str:
        """The organisational domain (§4.10.2)."""
        for name, policy in self.found:
            if policy.psd == "n":
                return name
            if policy.psd == "y" and name != self.domain:
                return _one_below(name, self.domain)
        return self.found[-1][0] if self.found else self.domain

    @property
    def applying(self) -> tuple[str, Policy] | None:
        """Where the policy that applies stands, and what it says; None: there is none (§4.10.1).

        The domain's own comes before that of its organisation, and that before the public suffix's.
        """
        policies = dict(self.found)
        suffixes = (name for name, policy in self.found if policy.psd == "y")
        for name in (self.domain, self.organisation, *suffixes):
            if name in policies:
                return name, policies[name]
        return None


def targets(domain: str) -> tuple[str, ...]:
    """The domains whose records a walk asks for, in their order."""
    labels = domain.split(".")
    start = max(1, len(labels) - _MOST_LABELS)
    return (domain, *(".".join(labels[at:]) for at in range(start, len(labels))))


def questions(domain: str) -> tuple[Question, ...]:
    """Everything that `walk` may look up, so that it can be queried in parallel."""
    return tuple((record_name(target), "TXT") for target in targets(domain))


def record_name(domain: str) -> str:
    """Where the policy of a domain is published."""
    return f"_dmarc.{domain}"


def walk(domain: str, lookup: Lookup, own: Sequence[str] | None = None) -> Walk:
    """Walks up from a domain.

    Args:
        own: the texts at the domain itself, if they are known already.
    """
    found: list[tuple[str, Policy]] = []
    silent: list[str] = []
    for target in targets(domain):
        if target == domain and own is not None:
            texts = own
        else:
            answer = lookup(record_name(target), "TXT")
            texts = answer.values
            # That a registry's servers fail says nothing: hardly one has a record, and its policy is the last resort.
            if faults.failed(answer.outcome) and "." in target:
                silent.append(target)
        records = [text for text in texts if is_policy(text)]
        if len(records) != 1:
            continue
        policy = parse(records[0])
        found.append((target, policy))
        if policy.psd in ("n", "y"):
            break
    return Walk(domain, tuple(found), tuple(silent))


def _one_below(suffix: str, domain: str) -> str:
    above = suffix.count(".") + 2
    return ".".join(domain.split(".")[-above:])
