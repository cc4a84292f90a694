"""What the records of a domain depend on, read from the rows and the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from dnsrecords.records import Facts, Ports, relay_include
from mailboxes.models import Domain, Stack
from mailrelay.models import RelaySettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


#: Columns of a domain that nothing in here reads.
SECRETS = ("dkim_private_key", "dkim_next_private_key", "dkim_old_private_key")


def of(domain: Domain) -> Facts:
    """Of one domain."""
    return next(of_all([domain]))


def of_all(domains: Iterable[Domain]) -> Iterator[Facts]:
    """Of many; stack and relay are read once."""
    stack, relay = Stack.load(), RelaySettings.load()
    include = relay_include(relay.provider, relay.host) if relay.configured else ""
    # Mail that the node sends through the relay under one of our domains has to pass as well, whether or not
    # the stack's own mail takes that way.
    hosts = (relay.host,) if relay.configured and not include else ()
    for domain in domains:
        yield Facts(
            domain=domain.name,
            # What most people call it; shown until a hostname is chosen.
            hostname=stack.hostname or f"mail.{domain.name}",
            selector=domain.dkim_selector,
            dkim_public_key=domain.dkim_public_key,
            relay_include=include,
            relay_hosts=hosts,
            addresses=tuple(settings.QUAZZAR_PUBLIC_ADDRESSES),
            extra_keys=tuple(
                (selector, key)
                for selector, key in (
                    (domain.dkim_next_selector, domain.dkim_next_public_key),
                    (domain.dkim_old_selector, domain.dkim_old_public_key),
                )
                if selector
            ),
            ports=Ports.shifted(int(settings.QUAZZAR_STACK_PORT_OFFSET)),
        )
