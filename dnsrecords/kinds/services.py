"""SRV: the servers and ports that mail programs use (RFC 6186, RFC 8314). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnsrecords.kinds.hosts import normal_name
from dnsrecords.kinds.kind import Kind
from dnsrecords.verdicts import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnsrecords.answers import Answer, Lookup
    from dnsrecords.records.facts import Facts
    from dnsrecords.records.record import Record


class MailServices(Kind):
    """The services of the stack, and where Outlook asks for its settings."""

    key = "srv"
    type = "SRV"
    label = "SRV"

    def wanted(self, facts: Facts) -> Iterator[Record]:
        """One record for each service; its id is ``srv_`` and the service."""
        if not facts.hostname:
            return
        if facts.autoconfig:
            purpose = "Lets Outlook find the servers when the autodiscover name does not exist."
            yield self._service(facts, "autodiscover", 0, 443, purpose)
        # Priorities count across services of a kind (RFC 6186 §3.4), and TLS from the first byte is to be preferred
        # (RFC 8314 §3).
        for service, priority, port, what in (
            ("submissions", 0, facts.ports.submissions, "outgoing mail over TLS"),
            ("submission", 10, facts.ports.submission, "outgoing mail over STARTTLS"),
            ("imaps", 0, facts.ports.imaps, "the mailboxes over TLS"),
            ("imap", 10, facts.ports.imap, "the mailboxes over STARTTLS"),
        ):
            purpose = f"Tells mail programs the server and port for {what}."
            yield self._service(facts, service, priority, port, purpose)

    def _service(self, facts: Facts, service: str, priority: int, port: int, purpose: str) -> Record:
        value = f"{priority} 1 {port} {facts.hostname}."
        return self.record(f"_{service}._tcp.{facts.domain}", value, purpose, record_id=f"srv_{service}")

    def judge(self, record: Record, facts: Facts, answer: Answer, lookup: Lookup) -> Verdict:
        """Whether host and port are right; priority and weight are the operator's choice."""
        port, hostname = _port_and_host(record.value)
        services = tuple(map(_port_and_host, answer.values))
        if not services:
            message = (
                f"{record.name} does not exist, so people have to set up their mail programs by hand. Add "
                "the SRV record."
            )
            return Verdict(Status.MISSING, message)
        if (port, hostname) in services:
            return Verdict(Status.OK, found=answer.values)
        if not all(host for _, host in services):
            message = (
                f"{record.name} says that this service does not exist (its target is a dot). Replace the "
                "SRV record."
            )
        else:
            where = " and ".join(f"{host} port {number}" for number, host in services)
            message = (
                f"{record.name} sends mail programs to {where} instead of {hostname} port {port}. Correct it."
            )
        return Verdict(Status.MISMATCH, message, answer.values)


def _port_and_host(value: str) -> tuple[str, str]:
    fields = value.split(" ")
    return (fields[2] if len(fields) > 2 else "", normal_name(" ".join(fields[3:])))
