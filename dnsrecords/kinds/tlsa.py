"""TLSA: the pin of the certificate on port 25, for servers with DANE (RFC 7672)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dnsrecords.kinds.kind import Kind
from dnsrecords.records import dane
from dnsrecords.text.taglists import shown
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dnsrecords.answers import Answer, Lookup
    from dnsrecords.records.dane import Pin
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
            "Pins the key of the certificate on port 25, so that nobody can impersonate this node (DANE). "
            "A new key needs its own record first, so keep the same key when you renew certificates."
        )
        for record_id, value in self.numbered(facts.tlsa):
            yield self.record(f"_25._tcp.{facts.hostname}", value, purpose, record_id=record_id)

    def judge(self, record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
        """Whether servers with DANE accept the certificate: one record that matches is enough (RFC 6698 §4)."""
        pins = tuple(map(dane.read, answer.values))
        if not pins:
            return Verdict(Status.MISSING, f"No certificate is pinned at {record.name}. Add the TLSA record.")
        own = dane.read(record.value).text
        matching = [pin for pin in pins if pin.text == own or _accepts(pin, facts)]
        others = [pin for pin in pins if pin not in matching]
        if not matching:
            return Verdict(Status.MISMATCH, _refused(record, pins), answer.values)
        if not {pin.text for pin in matching} & {pin.text for pin in dane.strongest(pins)}:
            return Verdict(Status.MISMATCH, _outweighed(record, matching[0]), answer.values)
        remarks = [
            _advised(matching[0]) if all(pin.text != own for pin in matching) else "",
            _others(record, others),
        ]
        return Verdict(Status.OK, " ".join(filter(None, remarks)), answer.values)


def _accepts(pin: Pin, facts: Facts) -> bool:
    return dane.matches(pin, facts.certificate, facts.hostname, datetime.now(UTC))


def _refused(record: Record, pins: Sequence[Pin]) -> str:
    unusable = [pin for pin in pins if pin.unusable]
    if len(unusable) == len(pins):
        # RFC 7672 §2.2: they insist on TLS then, but not on any certificate.
        return (
            f"No TLSA record at {record.name} can be used: senders ignore {shown(unusable[0].text)}, "
            f"because {unusable[0].unusable}. Mail still arrives, but anyone can impersonate this node. "
            "Replace the record."
        )
    anchor = any(pin.usage == dane.TRUST_ANCHOR and not pin.unusable for pin in pins)
    usage = (
        " Usage 2 pins an authority above it, in a chain for this name that has not expired."
        if anchor
        else ""
    )
    return (
        f"No TLSA record at {record.name} matches the certificate that this node uses, so servers with DANE refuse to "
        f"send mail here.{usage} Replace the record at once."
    )


def _outweighed(record: Record, pin: Pin) -> str:
    return (
        f"{shown(pin.text)} at {record.name} matches, but beside it is a stronger digest of another key, "
        "and some servers with DANE only look at the strongest one and refuse to send mail here (RFC 7671 "
        "§9). Delete the record with the other key."
    )


def _advised(pin: Pin) -> str:
    why = (
        "depends on the authority, on the name in the certificate and on its date"
        if pin.usage == dane.TRUST_ANCHOR
        else "has to be replaced with each certificate"
        if pin.selector == 0
        else "is the same key in another form"
    )
    return f"{shown(pin.text)} matches. It {why}; 3 1 1, as suggested, is what RFC 7672 §3.1 advises."


def _others(record: Record, others: Sequence[Pin]) -> str:
    unusable = next((pin for pin in others if pin.unusable), None)
    if unusable:
        return f"Senders ignore {shown(unusable.text)}, because {unusable.unusable}. Delete it."
    if not others:
        return ""
    return (
        f"There are other TLSA records at {record.name} as well. You need them while one certificate "
        "replaces another. Delete them an hour after you stop using the old one."
    )
