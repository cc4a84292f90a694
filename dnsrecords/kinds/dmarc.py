"""DMARC: what others do with mail that only claims to be from the domain. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dnsrecords import faults
from dnsrecords.dmarc.policy import POLICIES, consent_names, is_policy, parse, with_policy
from dnsrecords.kinds.kind import TextKind
from dnsrecords.text import taglists
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.answers import Answer, Lookup, Question
    from dnsrecords.dmarc.policy import Policy
    from dnsrecords.records.facts import Facts
    from dnsrecords.records.record import Record

_LOOKS_LIKE_A_POLICY = re.compile(
    r"\bv[ \t]*=[ \t]*dmarc|\bp[ \t]*=[ \t]*(none|quarantine|reject)", re.IGNORECASE
)


class Dmarc(TextKind):
    """The domain's DMARC policy (RFC 7489)."""

    key = "dmarc"
    label = "DMARC"
    required = True
    strays = True
    marker = "v=DMARC1"

    def wanted(self, facts: Facts) -> Iterator[Record]:
        """One record: quarantine, with reports to the domain's postmaster."""
        reports = reports_to(facts.domain)
        purpose = (
            f"Asks others to put mail that falsely claims to be from {facts.domain} into spam, and to report to "
            f"{reports}, which should be a mailbox or an alias."
        )
        value = f"{self.marker}; p=quarantine; rua=mailto:{reports}"
        yield self.record(f"_dmarc.{facts.domain}", value, purpose)

    def questions(self, record: Record, facts: Facts, answer: Answer) -> Iterator[Question]:
        """Whether other domains agree to get the reports."""
        yield from ((name, "TXT") for name in _consents(facts, answer.values))

    def compare(self, record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
        """Whether a policy is published that is at least as strong as the wanted one."""
        policies = tuple(value for value in answer.values if is_policy(value))
        if not policies:
            return _no_policy(record, answer)
        if len(policies) > 1:
            return Verdict(Status.MISMATCH, _several(len(policies)), policies)
        policy = parse(policies[0])
        if policy.errors:
            message = (
                f"Receivers ignore the policy or treat it as none, because {policy.errors[0]}. Correct this."
            )
            return Verdict(Status.MISMATCH, message, policies)
        wanted = parse(record.value)
        if weakness := _weakness(wanted, policy):
            least = max(policy.policy, wanted.policy, key=POLICIES.index)
            return Verdict(Status.MISMATCH, weakness, policies, with_policy(policy, least))
        remarks = (_remark(wanted, policy), _undelivered_reports(facts, policies, lookup))
        return Verdict(Status.OK, " ".join(filter(None, remarks)), policies)

    def recognises(self, record: Record, facts: Facts, value: str) -> bool:
        """Whether the text is a DMARC record, whatever its policy."""
        return is_policy(value)


def reports_to(domain: str) -> str:
    """The address for a domain's reports."""
    # The one address that every mail domain has to have (RFC 5321 §4.5.1). One of another domain would need that
    # domain's consent in DNS (RFC 7489 §7.1).
    return f"postmaster@{domain}"


def _several(count: int) -> str:
    return (
        f"There are {count} DMARC policies, so receivers follow none of them (RFC 7489 §6.6.3). "
        "Keep one, and delete the others."
    )


def _no_policy(record: Record, answer: Answer) -> Verdict:
    tries = tuple(value for value in answer.values if _LOOKS_LIKE_A_POLICY.search(value))
    if tries:
        message = (
            f"Receivers do not recognise the record as a DMARC policy: {_why(tries[0])}. "
            "Replace it with the value given here."
        )
        return Verdict(Status.MISMATCH, message, tries)
    if answer.values:
        message = (
            f"What is published there is not a DMARC policy: {taglists.shown(answer.values[0])}. Add the TXT record "
            "given here; text from a wildcard record (*) then no longer appears under this name."
        )
        return Verdict(Status.MISMATCH, message, answer.values)
    where = f" ({record.name} is a CNAME to {answer.cname})" if answer.cname else ""
    message = (
        f"No DMARC policy is published at {record.name}{where}, so anybody can send mail in the name of this domain, "
        "and large providers may refuse its mail. Add the TXT record."
    )
    return Verdict(Status.MISSING, message)


def _why(text: str) -> str:
    if re.match(r"v[ \t]*=[ \t]*DMARC1[ \t]", text):
        return "a semicolon has to follow v=DMARC1"
    return next(iter(parse(text).errors), "v=DMARC1 has to come first")


def _weakness(wanted: Policy, policy: Policy) -> str:
    """In what a policy is weaker than the wanted one, with the way there; empty: in nothing."""
    least = POLICIES.index(wanted.policy)
    if POLICIES.index(policy.policy) < least:
        return (
            f"The policy p={policy.policy} only watches: forged mail still arrives. That is the first stage of "
            f"none → quarantine → reject; when the reports show that your own mail passes, go on to p={wanted.policy}."
        )
    if policy.percent < 100:
        return f"The tag pct={policy.percent} exempts part of the forged mail from the policy. Delete the tag pct=."
    if POLICIES.index(policy.subdomains) < least:
        return (
            f"The tag sp={policy.subdomains} leaves subdomains to forgers, while the domain itself is protected. "
            "Delete the tag sp=."
        )
    return ""


def _remark(wanted: Policy, policy: Policy) -> str:
    if POLICIES.index(policy.policy) > POLICIES.index(wanted.policy):
        return (
            f"The policy p={policy.policy} is stronger than the one given here, and may stay: mail that was changed "
            "on its way, for example by a mailing list, is then refused rather than put into spam."
        )
    if not policy.reports:
        return "No address for reports (rua=) is named, so you will not hear when others forge or refuse your mail."
    return ""


def _undelivered_reports(facts: Facts, policies: tuple[str, ...], lookup: Lookup) -> str:
    for name in _consents(facts, policies):
        answer = lookup(name, "TXT")
        if not faults.failed(answer.outcome) and not any(map(is_policy, answer.values)):
            other = name.rpartition("._report._dmarc.")[2]
            return (
                f"The reports do not reach {other}, because it has not agreed to receive them: its owner has to add "
                f'the TXT record "v=DMARC1" at {name}.'
            )
    return ""


def _consents(facts: Facts, values: tuple[str, ...]) -> tuple[str, ...]:
    """Names at which other domains have to agree to get the reports."""
    policies = (parse(value) for value in values if is_policy(value))
    return tuple(name for policy in policies for name in consent_names(policy, facts.domain))
