"""The new containers while they are being proved: without ports, on a network of their own, keeping mail inside. Pure.

So nobody outside gets a mail in, and nothing gets out: whatever they do can be undone.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from mailboxes.dkim import keys
from mailboxes.push.entries import DomainEntry, MailboxEntry

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailboxes.engine.spec import ServiceSpec, StackSpec
    from mailboxes.push.entries import Snapshot

#: Postfix keeps what is for other servers in its queue (postconf(5), defer_transports).
_INSIDE = {"postfix": (("POSTFIX_defer_transports", "smtp relay"),)}
#: The domain of the proof's mailbox where none of ours signs (RFC 2606: nobody else has it).
_NO_DOMAIN = "upgrade.invalid"
#: Where the outgoing mail would go.
OUTSIDE = "somebody@outside.invalid"


def network(spec: StackSpec) -> str:
    """The name of the network of their own."""
    return f"{spec.project}-upgrade"


def isolated(spec: StackSpec) -> StackSpec:
    """The specification of the same containers, cut off from the world."""
    return replace(
        spec, network=network(spec), services=tuple(_isolated(service, spec) for service in spec.services)
    )


def _isolated(service: ServiceSpec, spec: StackSpec) -> ServiceSpec:
    environment = tuple(sorted((*service.environment, *_INSIDE.get(service.service, ()))))
    return replace(service, network=network(spec), ports=(), environment=environment)


@dataclass(frozen=True)
class Visitor:
    """A mailbox that exists for the proof alone.

    Attributes:
        home: where its mail is, below /srv/vmail.
        public_key: of its domain's DKIM key, as in the record's ``p=``.
    """

    address: str
    home: str
    password: str = field(repr=False)
    public_key: str

    @property
    def domain(self) -> str:
        """The part after the @."""
        return self.address.rpartition("@")[2]


def with_visitor(snapshot: Snapshot, hash_password: Callable[[str], str]) -> tuple[Snapshot, Visitor]:
    """The snapshot with a mailbox more, in a domain that signs; if none does, in one that is made for it."""
    domains = list(snapshot.domains)
    domain = next((entry for entry in domains if entry.private_key.startswith("-----BEGIN")), None)
    if domain is None:
        domain = DomainEntry(_NO_DOMAIN, private_key=keys.generate().private_pem)
        domains.append(domain)
    local_part, password = f"upgrade-{secrets.token_hex(8)}", secrets.token_urlsafe(18)
    visitor = Visitor(
        address=f"{local_part}@{domain.name}",
        home=f"{domain.name}/{local_part}",
        password=password,
        public_key=_public(domain.private_key),
    )
    entry = MailboxEntry(visitor.address, visitor.home, hash_password(password))
    return replace(snapshot, domains=tuple(domains), mailboxes=(*snapshot.mailboxes, entry)), visitor


def _public(private_pem: str) -> str:
    key = load_pem_private_key(private_pem.encode(), password=None)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(public).decode("ascii")
