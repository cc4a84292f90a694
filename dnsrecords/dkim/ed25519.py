"""A domain's Ed25519 key beside its RSA key: it signs as soon as its record is published, and never before.

New key made → its record seen on every name server of the zone, and a probe verifies → mail leaves with two
signatures.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dnsrecords.dkim import probe
from dnsrecords.names import dkim_name
from mailboxes.dkim import ed25519 as dkimsecond
from mailboxes.models import Domain

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

State = Literal["off", "pending", "signing"]


@dataclass(frozen=True, slots=True)
class SecondKey:
    """Where the Ed25519 key of a domain is on its way.

    Attributes:
        selector: empty: there is none.
    """

    state: State
    selector: str = ""
    message: str = ""

    @property
    def record(self) -> str:
        """Id of its record."""
        return f"dkim_{self.selector}"


def of(domain: Domain) -> SecondKey:
    """As it is now."""
    selector, name = domain.dkim_ed25519_selector, domain.name
    if not selector:
        return SecondKey(
            "off", message=f"Mail from {name} is signed with RSA alone, which every server can verify."
        )
    record = dkim_name(selector, name)
    if domain.dkim_ed25519_signs:
        leave = f"Leave the record {record} where it is while this is on."
        return SecondKey("signing", selector, f"Mail from {name} leaves with two signatures. {leave}")
    message = (
        f"Publish the TXT record {record}. As soon as every name server of {name} has it, mail leaves with the Ed25519 "
        "signature too; until then with the RSA one alone."
    )
    return SecondKey("pending", selector, message)


def remove(domain: Domain) -> SecondKey:
    """Turns it off; the message says what becomes of its record.

    Raises:
        NotFound: there is no such domain.
        NoSecondKey: it is off.
    """
    record = dkim_name(dkimsecond.remove(domain.pk), domain.name)
    # Mail on its way fails by this signature then, and passes by the other.
    return SecondKey(
        "off", message=f"Ed25519 is off for {domain.name}. You may delete the TXT record {record}."
    )


def advance(domain: Domain, published: Mapping[str, str]) -> bool:
    """After a look at DNS: lets the key sign when it is published everywhere.

    Args:
        published: selector → TXT record of each key that every name server of the zone has.

    Returns:
        Whether the key signs from now on.
    """
    selector = domain.dkim_ed25519_selector
    if not selector or domain.dkim_ed25519_signs:
        return False
    record = published.get(selector)
    if record is None:
        return False
    key = (
        Domain.objects.values_list("dkim_ed25519_private_key", flat=True)
        .filter(pk=domain.pk, dkim_ed25519_selector=selector)
        .first()
    )
    if key is None or not key.readable:
        logger.warning("dkim: the Ed25519 key of %s cannot be opened; turn it off and on again", domain.name)
        return False
    if not probe.verifies(key.reveal(), domain.name, selector, record):
        logger.warning("dkim: mail signed by %s of %s does not verify by its record", selector, domain.name)
        return False
    signs = dkimsecond.sign(domain.pk, selector)
    if signs:
        logger.info("dkim: %s signs for %s too", selector, domain.name)
    return signs
