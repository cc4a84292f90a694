"""MTA-STS (RFC 8461), by which senders insist on TLS, and the reports on TLS (RFC 8460). Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from dnsrecords.kinds.aliases import Alias
from dnsrecords.kinds.dmarc import reports_to
from dnsrecords.kinds.kind import TextKind
from dnsrecords.mtasts import policy
from dnsrecords.text import taglists
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.answers import Answer, Lookup, Question
    from dnsrecords.mtasts.policy import Fetch
    from dnsrecords.records.facts import Facts
    from dnsrecords.records.record import Record

_VERSION = re.compile(r"v=[A-Za-z0-9]+")


class PolicyHost(Alias):
    """The name that senders fetch the policy from."""

    key = "mta_sts_host"
    name = "mta-sts"
    purpose = "Where other mail servers fetch the MTA-STS policy, which this node serves over HTTPS."

    def applies(self, facts: Facts) -> bool:
        """Where a policy is served."""
        return bool(facts.mta_sts)

    def confirm(self, record: Record, facts: Facts, verdict: Verdict, fetch: Fetch) -> Verdict:
        """A name that leads elsewhere is right all the same where the policy can be fetched there."""
        if verdict.status is not Status.MISMATCH:
            return verdict
        fetched = fetch()
        if fetched is None or policy.problem(facts.domain, facts.mta_sts, fetched):
            return verdict
        remark = f"{record.name} leads elsewhere, but the policy that is served there is right."
        return Verdict(Status.OK, remark, verdict.found)


class _Versioned(TextKind):
    """A list of tags whose version stands first, of which there has to be one."""

    def compare(self, record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
        """Whether one record of this version is there, and says what it has to."""
        texts = tuple(value for value in answer.values if _version(value) == self.marker)
        if len(texts) > 1:
            message = f"There are {len(texts)} records with {self.marker}, so senders follow none of them. Keep one."
            return Verdict(Status.MISMATCH, message, texts)
        if texts:
            problem = self._problem(record, texts[0])
            return Verdict(Status.MISMATCH if problem else Status.OK, problem, texts)
        if answer.values:
            message = (
                f"What is published there does not start with {self.marker}: {taglists.shown(answer.values[0])}. "
                "Add the TXT record given here."
            )
            return Verdict(Status.MISMATCH, message, answer.values)
        return Verdict(Status.MISSING, f"Nothing is published at {record.name}. Add the TXT record.")

    def _problem(self, record: Record, text: str) -> str:
        tags, wanted = taglists.parse(text), taglists.parse(record.value)
        if tags.errors:
            return f"The record is invalid: {tags.errors[0]}. Replace it with the value given here."
        if "id" in wanted and tags.get("id") != wanted.get("id"):
            return (
                f"The id is {taglists.shown(tags.get('id'))}, but the policy that this node serves has changed since. "
                f"Enter {wanted.get('id')}, so that others fetch it again."
            )
        if "rua" in wanted and not tags.get("rua"):
            return "No address for the reports (rua=) is named. Replace the record with the value given here."
        return ""


def _version(text: str) -> str:
    match = _VERSION.match(text)
    return match[0] if match else ""


class PolicyId(_Versioned):
    """The record that says that there is a policy, and when it has changed (RFC 8461 §3.1)."""

    key = "mta_sts"
    marker = "v=STSv1"

    def wanted(self, facts: Facts) -> Iterator[Record]:
        """One record, where a policy is served."""
        if facts.hostname and facts.mta_sts:
            purpose = f"Tells other mail servers that {facts.domain} has an MTA-STS policy, and when it has changed."
            value = f"{self.marker}; id={facts.mta_sts}"
            yield self.record(policy.record_name(facts.domain), value, purpose)

    def questions(self, record: Record, facts: Facts, answer: Answer) -> Iterator[Question]:
        """Where the policy is fetched from, if the record leads others to it."""
        if answer.exists:
            yield (policy.host(facts.domain), "A")
            yield (policy.host(facts.domain), "AAAA")

    def confirm(self, record: Record, facts: Facts, verdict: Verdict, fetch: Fetch) -> Verdict:
        """A record that is right, and leads to a policy that senders do not use, is not."""
        fetched = fetch() if verdict.ok else None
        problem = policy.problem(facts.domain, facts.mta_sts, fetched) if fetched else None
        if problem is None:
            return verdict
        status, sentence = problem
        return replace(verdict, status=status, message=f"The record is right. {sentence}")


class TlsReports(_Versioned):
    """Where reports on TLS go (RFC 8460 §3)."""

    key = "tls_rpt"
    marker = "v=TLSRPTv1"

    def wanted(self, facts: Facts) -> Iterator[Record]:
        """One record: reports to the domain's postmaster."""
        reports = reports_to(facts.domain)
        purpose = f"Asks other mail servers to report to {reports} when they cannot deliver over TLS."
        yield self.record(f"_smtp._tls.{facts.domain}", f"{self.marker}; rua=mailto:{reports}", purpose)
