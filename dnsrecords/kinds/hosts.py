"""The mail server's own host: A leads to its addresses, PTR leads back. Pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from dnsrecords import faults
from dnsrecords.kinds.kind import Kind
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.answers import Answer, Lookup, Question
    from dnsrecords.records.facts import Facts
    from dnsrecords.records.record import Record


class HostAddress(Kind):
    """The IPv4 addresses of the hostname."""

    minds_alias = True
    key = "host_a"
    type = "A"
    label = "A"

    def wanted(self, facts: Facts) -> Iterator[Record]:
        """One record for each of the node's public addresses."""
        if not facts.hostname:
            return
        purpose = f"The address of {facts.hostname}, where other mail servers and mail programs connect."
        for record_id, value in self.numbered(facts.addresses):
            yield self.record(facts.hostname, value, purpose, record_id=record_id)

    def judge(self, record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
        """Whether the name leads to this node, and without a CNAME."""
        addresses = tuple(map(normal_address, answer.values))
        if answer.cname:
            message = (
                f"{record.name} is a CNAME to {answer.cname}, and MX records may not point to a CNAME "
                f"(RFC 2181 §10.3). Delete the CNAME, then add the suggested {record.type} record."
            )
            return Verdict(Status.MISMATCH, message, answer.values or (answer.cname,))
        if not addresses:
            message = (
                f"{record.name} has no {record.type} record, so other servers cannot find this node. Add it."
            )
            return Verdict(Status.MISSING, message)
        if record.value not in addresses:
            message = f"{record.name} leads to {' and '.join(addresses)} instead of {record.value}. Change the record."
            return Verdict(Status.MISMATCH, message, answer.values)
        return Verdict(Status.OK, _strangers(record, facts, addresses), answer.values)


def _strangers(record: Record, facts: Facts, addresses: tuple[str, ...]) -> str:
    own = {record.value, *map(normal_address, facts.addresses)}
    others = [address for address in addresses if address not in own]
    if not others:
        return ""
    return (
        f"{record.name} leads to {' and '.join(others)} as well. If that is not this node, part of the "
        "mail is lost. Delete the addresses that are not this node's."
    )


class Pointer(Kind):
    """The names of the node's public addresses (PTR).

    A CNAME record there is how the provider of the address delegates its name (RFC 2317), and has to stay.
    """

    minds_alias = zone_of_others = True
    key = "ptr"
    type = "PTR"
    label = "PTR"

    def wanted(self, facts: Facts) -> Iterator[Record]:
        """One record for each address."""
        if not facts.hostname:
            return
        for record_id, address in self.numbered(facts.addresses):
            purpose = (
                f"The reverse name (PTR) of {address}. Large providers refuse mail from an address without "
                "one. The provider of the address sets it, not the registrar."
            )
            yield self.record(_pointer_name(address), f"{facts.hostname}.", purpose, record_id=record_id)

    def questions(self, record: Record, facts: Facts, answer: Answer) -> Iterator[Question]:
        """The way back from the name to the address."""
        yield (facts.hostname, "A")

    def judge(self, record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
        """Whether the address has the hostname as its name, and the hostname leads back to it (RFC 8601 §3)."""
        names, hostname = tuple(map(normal_name, answer.values)), normal_name(record.value)
        addresses = map(normal_address, facts.addresses)
        address = next((text for text in addresses if _pointer_name(text) == record.name), record.name)
        ask = (
            "Set it at the provider of the address, in its console or by a support request. The registrar "
            "cannot set it."
        )
        if not names:
            message = f"The address {address} has no name (PTR), so large providers refuse its mail. {ask}"
            return Verdict(Status.MISSING, message)
        if hostname not in names:
            message = f"The name (PTR) of {address} is {' and '.join(names)} instead of {hostname}. {ask}"
            return Verdict(Status.MISMATCH, message, answer.values)
        back = lookup(hostname, "A")
        if faults.failed(back.outcome) or address in map(normal_address, back.values):
            return Verdict(Status.OK, found=answer.values)
        message = (
            f"The name (PTR) of {address} is correct, but {hostname} does not lead back to that address, "
            f"so receivers do not trust it. Add the A record {address} to {hostname}."
        )
        return Verdict(Status.MISMATCH, message, answer.values)


def _pointer_name(address: str) -> str:
    return ipaddress.ip_address(address).reverse_pointer


def normal_address(text: str) -> str:
    """An address in its one spelling; any other text as it is."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def normal_name(text: str) -> str:
    """A name in lower case, without a final dot."""
    return text.strip().lower().rstrip(".")
