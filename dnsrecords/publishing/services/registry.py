"""Which module speaks to which name service. Another one is added here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnsrecords.publishing.services.reach import Reach
from dnsrecords.publishing.services.rfc2136 import Rfc2136, Tsig

if TYPE_CHECKING:
    from dnsrecords.models import Publisher
    from dnsrecords.publishing.services import NameService


def service(row: Publisher, zone: str, secret: str) -> NameService:
    """The name service that a row describes.

    Raises:
        PublishFailed: the row's key cannot be used.
    """
    match row.kind:
        case row.Kind.RFC2136:
            return Rfc2136(
                row.server, row.port, zone, Tsig(row.key_name, row.algorithm, secret), Reach.from_settings()
            )
    raise ValueError(f"There is no name service {row.kind!r}.")
