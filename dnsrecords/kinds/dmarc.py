"""DMARC: what others do with mail that only claims to be from the domain. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnsrecords.dmarc import judge, walk
from dnsrecords.dmarc.policy import is_policy, parse
from dnsrecords.kinds.kind import TextKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.answers import Answer, Lookup, Question
    from dnsrecords.records.facts import Facts
    from dnsrecords.records.record import Record
    from dnsrecords.verdicts import Verdict


#: Policy → how the purpose of its record begins.
_ASKS = {
    "none": "Asks other servers",
    "quarantine": "Asks other servers to put mail that falsely claims to be from {domain} into spam, and",
    "reject": "Asks other servers to refuse mail that falsely claims to be from {domain}, and",
}


class Dmarc(TextKind):
    """The domain's DMARC policy (RFC 9989)."""

    key = "dmarc"
    label = "DMARC"
    required = True
    strays = True
    marker = "v=DMARC1"

    def wanted(self, facts: Facts) -> Iterator[Record]:
        """One record: the chosen policy, with reports to the mailbox for them, else to the domain's postmaster."""
        reports = facts.dmarc_reports or reports_to(facts.domain)
        purpose = (
            f"{_ASKS[facts.dmarc].format(domain=facts.domain)} to send reports to the address in rua. The mail "
            f"server accepts mail for {reports}."
        )
        value = f"{self.marker}; p={facts.dmarc}; rua=mailto:{reports}"
        yield self.record(walk.record_name(facts.domain), value, purpose)

    def questions(self, record: Record, facts: Facts, answer: Answer) -> Iterator[Question]:
        """The policies of the domains above, and whether other domains agree to get the reports."""
        yield from judge.questions(facts.domain, answer.values)

    def judge(self, record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
        """What copying did to a text counts only where receivers cannot follow the policy for it."""
        if any(is_policy(value) and not parse(value).fatal for value in answer.values):
            return self.compare(record, facts, answer, lookup)
        return super().judge(record, facts, answer, lookup)

    def compare(self, record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
        """Whether a policy applies that is at least as strong as the wanted one."""
        return judge.judge(facts.domain, answer, lookup, wanted=record.value)

    def recognises(self, record: Record, facts: Facts, value: str) -> bool:
        """Whether the text is a DMARC record, whatever its policy."""
        return is_policy(value)


def reports_to(domain: str) -> str:
    """The address for a domain's reports."""
    # The one address that every mail domain has to have (RFC 5321 §4.5.1). One of another organisation would need
    # that one's consent in DNS (RFC 9990 §4).
    return f"postmaster@{domain}"
