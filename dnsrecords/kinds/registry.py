"""All kinds of record, in the order in which operators see them. Another kind is a class, and a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnsrecords.kinds.aliases import Autoconfig, Autodiscover
from dnsrecords.kinds.dkim import FurtherKey, SigningKey
from dnsrecords.kinds.dmarc import Dmarc
from dnsrecords.kinds.hosts import HostAddress, Pointer
from dnsrecords.kinds.mtasts import PolicyHost, PolicyId, TlsReports
from dnsrecords.kinds.mx import Mx
from dnsrecords.kinds.services import MailServices
from dnsrecords.kinds.spf import Spf
from dnsrecords.kinds.tlsa import CertificatePin

if TYPE_CHECKING:
    from dnsrecords.kinds.kind import Kind
    from dnsrecords.records.facts import Facts
    from dnsrecords.records.record import Record

KINDS: tuple[Kind, ...] = (
    # Required: exactly these four.
    Mx(),
    Spf(),
    SigningKey(),
    Dmarc(),
    # Recommended.
    HostAddress(),
    Pointer(),
    FurtherKey(),
    PolicyHost(),
    PolicyId(),
    TlsReports(),
    Autoconfig(),
    Autodiscover(),
    MailServices(),
    CertificatePin(),
)
_BY_KEY = {kind.key: kind for kind in KINDS}


def wanted(facts: Facts) -> tuple[Record, ...]:
    """All records of a domain: the four that are required, then the recommended ones.

    Raises:
        ValueError: one of the node's public addresses is none.
    """
    return tuple(record for kind in KINDS for record in kind.wanted(facts))


def kind_of(record: Record) -> Kind:
    """The kind that a record is of."""
    return _BY_KEY[record.kind]
