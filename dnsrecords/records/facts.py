"""What the records of a domain depend on, read from the rows and the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from dnsrecords.models import DomainOptions
from dnsrecords.records import tlsa
from dnsrecords.records.build import Facts, Ports, mta_sts_id, relay_include, served_policy
from mailboxes.models import Domain, Stack
from mailrelay.models import RelaySettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


#: Columns of a domain that nothing in here reads.
SECRETS = (
    "dkim_private_key", "dkim_next_private_key", "dkim_old_private_key", "dkim_ed25519_private_key",
)  # fmt: skip


def of(domain: Domain) -> Facts:
    """Of one domain."""
    return next(of_all([domain]))


def of_all(domains: Iterable[Domain]) -> Iterator[Facts]:
    """Of many, with as many queries as of one."""
    wanted = list(domains)
    stack, relay = Stack.load(), RelaySettings.load()
    known = _known(wanted)
    pins = _pins(stack)
    include = relay_include(relay.provider, relay.host) if relay.configured else ""
    # Mail that the node sends through the relay under one of our domains has to pass as well, whether or not
    # the stack's own mail takes that way.
    hosts = (relay.host,) if relay.configured and not include else ()
    for domain in wanted:
        signed, option = known.get(domain.pk, (False, DomainOptions.MtaSts.TESTING.value))
        policy = served_policy(stack.hostname, option)
        yield Facts(
            domain=domain.name,
            # What most people call it; shown until a hostname is chosen.
            hostname=stack.hostname or f"mail.{domain.name}",
            selector=domain.dkim_selector,
            dkim_public_key=domain.dkim_public_key,
            relay_include=include,
            relay_hosts=hosts,
            addresses=tuple(settings.QUAZZAR_PUBLIC_ADDRESSES),
            autoconfig=bool(stack.hostname),
            mta_sts=mta_sts_id(policy) if policy else "",
            signed=signed,
            tlsa=pins,
            extra_keys=tuple(
                (selector, key)
                for selector, key in (
                    (domain.dkim_next_selector, domain.dkim_next_public_key),
                    (domain.dkim_old_selector, domain.dkim_old_public_key),
                    (domain.dkim_ed25519_selector, domain.dkim_ed25519_public_key),
                )
                if selector
            ),
            ports=Ports.shifted(int(settings.QUAZZAR_STACK_PORT_OFFSET)),
        )


def _known(domains: Iterable[Domain]) -> dict[int, tuple[bool, str]]:
    """Of each domain, by its key: whether the hostname's zone was seen to be signed, and the mode of MTA-STS."""
    rows = Domain.objects.filter(pk__in=[each.pk for each in domains])
    default = DomainOptions.MtaSts.TESTING.value
    return {
        pk: (bool(signed), option or default)
        for pk, signed, option in rows.values_list("pk", "dns__signed", "dns_options__mta_sts")
    }


def _pins(stack: Stack) -> tuple[str, ...]:
    found = tlsa.pin(stack.tls_certificate) if stack.enabled and stack.tls_certificate else ""
    return (found,) if found else ()
