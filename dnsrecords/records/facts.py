"""What the records of a domain depend on, read from the rows and the settings."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from django.conf import settings

from dnsrecords.models import DomainOptions
from dnsrecords.mtasts.policy import policy_id, served_policy
from dnsrecords.records import tlsa
from dnsrecords.spf.providers import relay_include
from dnsrecords.visibility import is_visible
from mailboxes import changes
from mailboxes.models import Alias, DkimKey, Domain, Mailbox, Stack
from mailboxes.provisioning import namespace
from mailrelay.models import RelaySettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Algorithm and state of the key whose record is the required one.
_SIGNS_ALL_MAIL = (DkimKey.Algorithm.RSA, DkimKey.State.SIGNING)
#: The zone is not signed; the mode of MTA-STS and the DMARC policy of a domain without options.
_DEFAULTS = (False, DomainOptions.MtaSts.TESTING.value, DomainOptions.Dmarc.QUARANTINE.value)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the stack listens for mail programs."""

    submission: int = 587
    submissions: int = 465
    imap: int = 143
    imaps: int = 993

    @classmethod
    def shifted(cls, offset: int) -> Ports:
        """The usual ports, each with the offset of the stack added."""
        return cls(587 + offset, 465 + offset, 143 + offset, 993 + offset)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the records of a domain depend on.

    Attributes:
        hostname: of the stack, its public name; empty: not set up yet.
        dkim_public_key: of the key that signs, as in ``p=``; empty: there is none yet.
        relay_include: what authorises the provider that outgoing mail leaves through, in SPF; empty: not known.
        relay_hosts: the relay's host, if no include is known for it.
        addresses: the public IPv4 addresses of the hostname, if known. The stack is neither reached nor sends by IPv6.
        hidden_addresses: those that the hostname has here, and others cannot see.
        autoconfig: whether the files that mail programs ask for are served under the hostname.
        mta_sts: id of the MTA-STS policy that is served; empty: none is.
        signed: whether the hostname's zone is signed with DNSSEC.
        tlsa: what pins the certificate on port 25: ``3 1 1 <hex>``.
        certificate: what the mail server sends on port 25, its own certificate first: PEM; empty: not known.
        extra_keys: (selector, key) that do not sign yet, or no longer.
        retired_keys: selectors of those that no longer sign.
        dmarc: the DMARC policy to publish.
        dmarc_reports, tls_reports: the address for each kind of report; empty: the domain's postmaster.
    """

    domain: str
    hostname: str
    selector: str = "quazzar"
    dkim_public_key: str = ""
    relay_include: str = ""
    relay_hosts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    hidden_addresses: tuple[str, ...] = ()
    autoconfig: bool = False
    mta_sts: str = ""
    signed: bool = False
    tlsa: tuple[str, ...] = ()
    certificate: str = field(default="", repr=False)
    ports: Ports = Ports()
    extra_keys: tuple[tuple[str, str], ...] = ()
    retired_keys: frozenset[str] = frozenset()
    dmarc: str = "quarantine"
    dmarc_reports: str = ""
    tls_reports: str = ""

    def at(self, addresses: Iterable[str]) -> Facts:
        """The same with addresses of the hostname, told apart by whether others can see them."""
        found = tuple(addresses)
        seen = tuple(address for address in found if is_visible(address))
        return replace(
            self, addresses=seen, hidden_addresses=tuple(each for each in found if each not in seen)
        )

    @classmethod
    def for_domain(cls, domain: Domain) -> Facts:
        """What one domain's records depend on."""
        return next(cls.for_domains([domain]))

    @classmethod
    def for_domains(cls, domains: Iterable[Domain]) -> Iterator[Facts]:
        """The facts of each domain, in their order, with as many queries as for a single domain."""
        rows = list(domains)
        stack, relay = Stack.load(), RelaySettings.load()
        choices, keys = _choices(rows), _keys(rows)
        owned = _report_addresses(rows, stack)
        pins = _pins(stack)
        include = relay_include(relay.provider, relay.host) if relay.configured else ""
        # Mail that the node sends through the relay under one of our domains has to pass as well, whether or not
        # the stack's own mail takes that way.
        hosts = (relay.host,) if relay.configured and not include else ()
        for domain in rows:
            signed, mode, dmarc = choices.get(domain.pk, _DEFAULTS)
            policy = served_policy(stack.hostname, mode)
            signing = next(
                (key for key in keys[domain.pk] if (key.algorithm, key.state) == _SIGNS_ALL_MAIL), None
            )
            yield cls(
                domain=domain.name,
                # What most people call it; shown until a hostname is chosen.
                hostname=stack.hostname or f"mail.{domain.name}",
                selector=signing.selector if signing else DkimKey.FIRST_SELECTOR,
                dkim_public_key=signing.public_key if signing else "",
                relay_include=include,
                relay_hosts=hosts,
                autoconfig=bool(stack.hostname),
                mta_sts=policy_id(policy) if policy else "",
                signed=signed,
                tlsa=pins,
                certificate=stack.tls_certificate if pins else "",
                extra_keys=tuple(
                    (key.selector, key.public_key) for key in keys[domain.pk] if key is not signing
                ),
                retired_keys=frozenset(
                    key.selector for key in keys[domain.pk] if key.state == DkimKey.State.RETIRED
                ),
                ports=Ports.shifted(int(settings.QUAZZAR_STACK_PORT_OFFSET)),
                dmarc=dmarc,
                dmarc_reports=f"dmarc@{domain.name}" if f"dmarc@{domain.name}" in owned else "",
                tls_reports=f"tlsrpt@{domain.name}" if f"tlsrpt@{domain.name}" in owned else "",
            ).at(text for text in settings.QUAZZAR_PUBLIC_ADDRESSES if ":" not in text)


def _choices(domains: Iterable[Domain]) -> dict[int, tuple[bool, str, str]]:
    """By each domain's key: whether the hostname's zone is signed, the mode of MTA-STS, and the DMARC policy."""
    rows = Domain.objects.filter(pk__in=[domain.pk for domain in domains])
    _, mode_, dmarc_ = _DEFAULTS
    return {
        pk: (bool(signed), mode or mode_, dmarc or dmarc_)
        for pk, signed, mode, dmarc in rows.values_list(
            "pk", "dns__signed", "dns_options__mta_sts", "dns_options__dmarc"
        )
    }


def _report_addresses(domains: Iterable[Domain], stack: Stack) -> set[str]:
    """The addresses for reports that exist: mailboxes and aliases called dmarc and tlsrpt, and those that lead to
    Quazzar's own mailbox."""
    own = stack.enabled and stack.own
    found = set(namespace.own_roles(domain.name for domain in domains)) if own else set()
    for some in changes.batches(
        f"{role}@{domain.name}" for domain in domains for role in ("dmarc", "tlsrpt")
    ):
        found.update(Alias.objects.filter(address__in=some, enabled=True).values_list("address", flat=True))
        boxes = Mailbox.objects.live().filter(address__in=some, can_receive=True)
        found.update(boxes.values_list("address", flat=True))
    return found


def _keys(domains: Iterable[Domain]) -> dict[int, list[DkimKey]]:
    """Each domain's keys, by the domain's id."""
    by_domain: dict[int, list[DkimKey]] = defaultdict(list)
    for key in DkimKey.objects.without_secrets().filter(domain__in=[domain.pk for domain in domains]):
        by_domain[key.domain_id].append(key)
    return by_domain


def _pins(stack: Stack) -> tuple[str, ...]:
    pin = tlsa.pin(stack.tls_certificate) if stack.enabled and stack.tls_certificate else ""
    return (pin,) if pin else ()
