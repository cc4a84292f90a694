"""MTA-STS (RFC 8461), by which senders insist on TLS, and the reports on TLS (RFC 8460). Pure."""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING

from dnsrecords.kinds.aliases import Alias
from dnsrecords.kinds.dmarc import reports_to
from dnsrecords.kinds.kind import TextKind
from dnsrecords.mtasts import policy
from dnsrecords.text import reportaddresses, taglists, versioned
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.answers import Answer, Lookup, Question
    from dnsrecords.mtasts.policy import Fetch, Fetched
    from dnsrecords.records.facts import Facts
    from dnsrecords.records.record import Record
    from dnsrecords.text.reportaddresses import ReportAddress

_VERSION = re.compile(r"v=[A-Za-z0-9]+")
#: RFC 8461 §3.1.
_ID = re.compile(r"[A-Za-z0-9]{1,32}")
#: How a report on TLS can travel (RFC 8460 §3).
_SCHEMES = ("mailto", "https")


class PolicyHost(Alias):
    """The name that senders fetch the policy from."""

    key = "mta_sts_host"
    name = "mta-sts"
    purpose = "Other mail servers fetch the MTA-STS policy here. This node serves it over HTTPS."

    def applies(self, facts: Facts) -> bool:
        """Where a policy is served."""
        return bool(facts.mta_sts)

    def confirm(self, record: Record, facts: Facts, verdict: Verdict, fetch: Fetch) -> Verdict:
        """A name that leads elsewhere is still right if the policy can be fetched there."""
        if verdict.status is not Status.MISMATCH:
            return verdict
        fetched = fetch()
        if fetched is None or _served(facts, fetched)[0] is not Status.OK:
            return verdict
        remark = f"{record.name} leads elsewhere, but the policy served there is correct."
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
            return self._judged(record, texts[0])
        if answer.values:
            message = (
                f"The record published there does not start with {self.marker}: "
                f"{taglists.shown(answer.values[0])}. Add the suggested TXT record."
            )
            return Verdict(Status.MISMATCH, message, answer.values)
        return Verdict(Status.MISSING, f"Nothing is published at {record.name}. Add the TXT record.")

    @abstractmethod
    def _judged(self, record: Record, text: str) -> Verdict:
        """How the one record of this version stands."""


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
            purpose = (
                f"Tells other mail servers that {facts.domain} has an MTA-STS policy, and when it changes."
            )
            value = f"{self.marker}; id={facts.mta_sts}"
            yield self.record(policy.record_name(facts.domain), value, purpose)

    def _judged(self, record: Record, text: str) -> Verdict:
        """Held against the grammar first: with an invalid record, senders act as if there were no policy."""
        fields, found = versioned.parse(text, "id"), (text,)
        wanted = versioned.parse(record.value, "id").all("id")[0]
        ids = fields.all("id")
        fault = next(iter(fields.errors), "")
        if not fault and not ids:
            fault = "id= is missing"
        elif not fault and not _ID.fullmatch(ids[0]):
            fault = (
                f"the id {taglists.shown(ids[0])} is not valid: it must have 1 to 32 letters and digits, "
                "and nothing else"
            )
        if fault:
            message = (
                f"Senders act as if there were no MTA-STS policy (RFC 8461 §3.1), because {fault}. "
                "Replace the record with the suggested value."
            )
            return Verdict(Status.MISMATCH, message, found)
        if ids[0] != wanted:
            message = (
                f"The id is still {ids[0]}, but this node's policy has changed since. Enter {wanted} so "
                "that other servers fetch the policy again."
            )
            return Verdict(Status.MISMATCH, message, found)
        return Verdict(Status.OK, found=found)

    def questions(self, record: Record, facts: Facts, answer: Answer) -> Iterator[Question]:
        """Where the policy is fetched from, if the record leads others to it."""
        if answer.exists:
            yield (policy.host(facts.domain), "A")
            yield (policy.host(facts.domain), "AAAA")

    def confirm(self, record: Record, facts: Facts, verdict: Verdict, fetch: Fetch) -> Verdict:
        """A correct record that leads to a wrong policy is not right; with a wrong id, both problems are reported."""
        leads = verdict.ok or (len(verdict.found) == 1 and _is_valid(verdict.found[0]))
        fetched = fetch() if leads else None
        if fetched is None:
            return verdict
        status, sentence = _served(facts, fetched)
        if not sentence or (status is not Status.MISMATCH and not verdict.ok):
            return verdict
        if not verdict.ok:
            return replace(verdict, message=f"{sentence.removeprefix('But ')} {verdict.message}")
        return replace(verdict, status=status, message=f"The record is correct. {sentence}")


def _served(facts: Facts, fetched: Fetched) -> tuple[Status, str]:
    return policy.judge(facts.domain, facts.hostname, facts.mta_sts, fetched)


def _is_valid(text: str) -> bool:
    """Whether senders look for a policy because of a record."""
    fields = versioned.parse(text, "id")
    return (
        _version(text) == PolicyId.marker and not fields.errors and any(map(_ID.fullmatch, fields.all("id")))
    )


class TlsReports(_Versioned):
    """Where reports on TLS go (RFC 8460 §3)."""

    key = "tls_rpt"
    marker = "v=TLSRPTv1"

    def wanted(self, facts: Facts) -> Iterator[Record]:
        """One record: reports to the mailbox for them, else to the domain's postmaster."""
        reports = facts.tls_reports or reports_to(facts.domain)
        purpose = "Asks other mail servers to report to the address in rua when they cannot deliver over TLS."
        yield self.record(f"_smtp._tls.{facts.domain}", f"{self.marker}; rua=mailto:{reports}", purpose)

    def _judged(self, record: Record, text: str) -> Verdict:
        """A report needs an address that it can be sent to; what else is wrong is a remark."""
        fields, found = versioned.parse(text, "rua", several=True), (text,)
        addresses = reportaddresses.read(",".join(filter(None, fields.all("rua"))))
        useful = [address for address in addresses if address.reaches(_SCHEMES)]
        kept = [
            address.mended or address.text for address in addresses if address.mended or address in useful
        ]
        advice = f"{self.marker}; rua={','.join(kept)}" if kept else ""
        wrong = [
            f"{address}." if address.error else _unsupported(address)
            for address in addresses
            if address not in useful
        ]
        if not addresses:
            fault = next(
                (error for error in fields.errors if "rua" in error), "it has no address for them (rua=)"
            )
            message = f"No reports are sent, because {fault}. Replace the record with the suggested value."
            return Verdict(Status.MISMATCH, message, found)
        if not useful:
            message = f"No reports can be sent: {' '.join(wrong)} Replace the record with the suggested one."
            return Verdict(Status.MISMATCH, message, found, advice)
        remarks = [f"One of the addresses gets no reports: {each}" for each in wrong]
        remarks += [f"Strict senders may ignore the record, because {error}." for error in fields.errors]
        return Verdict(Status.OK, " ".join(remarks), found, advice if remarks else "")


def _unsupported(address: ReportAddress) -> str:
    return f"{taglists.shown(address.text)} begins with neither mailto: nor https: (RFC 8460 §3)."
