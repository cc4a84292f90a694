"""TLSA: the pin of the certificate on port 25, for servers with DANE (RFC 7672). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnsrecords.kinds.kind import Kind
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.answers import Answer, Lookup
    from dnsrecords.records.facts import Facts
    from dnsrecords.records.record import Record


class CertificatePin(Kind):
    """The pin of this node's own key."""

    key = "tlsa_25"
    type = "TLSA"
    label = "TLSA"

    def wanted(self, facts: Facts) -> Iterator[Record]:
        """One record for each pin, where the hostname's zone is signed: elsewhere nobody heeds it (RFC 7672 §2.2)."""
        if not facts.hostname or not facts.signed:
            return
        purpose = (
            "Pins the key of the certificate on port 25, so that nobody can pose as this node (DANE). A new key needs "
            "its own record first, so let renewed certificates keep their key."
        )
        for record_id, value in self.numbered(facts.tlsa):
            yield self.record(f"_25._tcp.{facts.hostname}", value, purpose, record_id=record_id)

    def judge(self, record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
        """Whether this certificate is pinned."""
        pins = tuple(map(_fields, answer.values))
        if not pins:
            return Verdict(Status.MISSING, f"No certificate is pinned at {record.name}. Add the TLSA record.")
        if _fields(record.value) not in pins:
            message = (
                "The TLSA record pins a certificate other than this node's, so servers with DANE refuse to send mail "
                f"here. Replace the record at {record.name} at once."
            )
            return Verdict(Status.MISMATCH, message, answer.values)
        remark = "" if len(set(pins)) == 1 else _other_pins(record)
        return Verdict(Status.OK, remark, answer.values)


def _other_pins(record: Record) -> str:
    return (
        f"There are other TLSA records at {record.name} as well. That is right while one certificate replaces another; "
        "delete them an hour after the old one is out of use."
    )


def _fields(value: str) -> tuple[str, ...]:
    """Usage, selector, matching type and data, in the one spelling."""
    fields = value.lower().split()
    return (*fields[:3], "".join(fields[3:]))
