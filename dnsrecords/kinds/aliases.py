"""Names that lead to the mail server's hostname, such as those by which mail programs find their settings. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dnsrecords.kinds.hosts import normal_address, normal_name
from dnsrecords.kinds.kind import Kind
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.answers import Answer, Lookup, Question
    from dnsrecords.records.facts import Facts
    from dnsrecords.records.record import Record


class Alias(Kind):
    """A CNAME below the domain that leads to the hostname.

    Attributes:
        name: the label below the domain.
        purpose: of the record, as one sentence.
    """

    type = "CNAME"
    label = "CNAME"
    name: ClassVar[str]
    purpose: ClassVar[str]

    def applies(self, facts: Facts) -> bool:
        """Whether this node serves anything under the name."""
        return facts.autoconfig

    def wanted(self, facts: Facts) -> Iterator[Record]:
        """One record, unless the hostname itself has that name."""
        name = f"{self.name}.{facts.domain}"
        if facts.hostname and self.applies(facts) and name != facts.hostname:
            yield self.record(name, f"{facts.hostname}.", self.purpose)

    def questions(self, record: Record, facts: Facts, answer: Answer) -> Iterator[Question]:
        """The addresses of the name, where it is not the wanted CNAME."""
        if normal_name(record.value) not in answer.values:
            yield (record.name, "A")
            yield (record.name, "AAAA")

    def judge(self, record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
        """Whether the name leads to this node: by the CNAME, or just as well by addresses."""
        hostname = normal_name(record.value)
        targets = tuple(map(normal_name, answer.values)) or ((answer.cname,) if answer.cname else ())
        if hostname in targets:
            return Verdict(Status.OK, found=targets)
        addresses = tuple(value for type_ in ("A", "AAAA") for value in lookup(record.name, type_).values)
        if not {*map(normal_address, addresses)}.isdisjoint(map(normal_address, facts.addresses)):
            return Verdict(Status.OK, found=targets or addresses)
        if targets:
            message = (
                f"{record.name} leads to {' and '.join(targets)} instead of {hostname}. Correct the CNAME "
                "record."
            )
            return Verdict(Status.MISMATCH, message, targets)
        if addresses:
            message = (
                f"{record.name} leads to {' and '.join(addresses)}, which does not seem to be this node. "
                "Delete that record, and add the CNAME record."
            )
            return Verdict(Status.MISMATCH, message, addresses)
        return Verdict(Status.MISSING, f"{record.name} does not exist. Add the CNAME record.")


class Autoconfig(Alias):
    """Where Thunderbird asks for its settings."""

    key = "autoconfig"
    name = "autoconfig"
    purpose = "Lets Thunderbird and related programs find the servers from the email address."


class Autodiscover(Alias):
    """Where Outlook asks for its settings."""

    key = "autodiscover"
    name = "autodiscover"
    purpose = "Lets Outlook find the servers from the email address."
