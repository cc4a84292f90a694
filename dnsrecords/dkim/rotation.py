"""When a DKIM key takes over from another, for people who paste records by hand: never before it is published.

New key made → its record seen on every name server of the zone, and a probe verifies → it signs → the old record stays
until the mail that it signed has arrived → it may be deleted.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from django.utils import timezone

from dnsrecords.dkim import probe
from dnsrecords.names import dkim_name
from dnsrecords.records.record import TTL
from mailboxes.dkim import rotation as dkimrotation
from mailboxes.models import Domain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

logger = logging.getLogger(__name__)

State = Literal["none", "pending", "retiring"]
#: Mail may wait five days in a queue (Postfix's maximal_queue_lifetime), and its key an hour in a cache.
KEEP_OLD = timedelta(days=5, seconds=TTL)


@dataclass(frozen=True, slots=True)
class Rotation:
    """Where a domain's key is on its way.

    Attributes:
        selector: of the key that signs.
        other: selector of the one that waits to be published, or that signed before; empty: none.
        since: when the present key took over; None: it was the first.
        keep_until: until then the old key's record has to stay.
    """

    state: State
    selector: str
    other: str = ""
    since: datetime | None = None
    keep_until: datetime | None = None
    message: str = ""


def of(domain: Domain) -> Rotation:
    """As it is now."""
    name, since = domain.name, domain.dkim_rotated_at
    if other := domain.dkim_next_selector:
        message = (
            f"Publish the TXT record {dkim_name(other, name)}. As soon as every name server of {name} has it, the new "
            f"key signs; until then {domain.dkim_selector} does."
        )
        return Rotation("pending", domain.dkim_selector, other, since, None, message)
    if other := domain.dkim_old_selector:
        until = (since or timezone.now()) + KEEP_OLD
        message = (
            f"{domain.dkim_selector} signs. Leave the record {dkim_name(other, name)} where it is until "
            f"{until:%Y-%m-%d %H:%M} UTC: mail that the old key signed may still be on its way."
        )
        return Rotation("retiring", domain.dkim_selector, other, since, until, message)
    return Rotation("none", domain.dkim_selector, since=since)


def advance(domain: Domain, published: Mapping[str, str]) -> bool:
    """After a look at DNS: lets the next key sign when it is published everywhere.

    Args:
        published: selector → TXT record of each key that every name server of the zone has.

    Returns:
        Whether the key signs from now on.
    """
    selector = domain.dkim_next_selector
    if not selector:
        return False
    record = published.get(selector)
    if record is None:
        return False
    key = (
        Domain.objects.values_list("dkim_next_private_key", flat=True)
        .filter(pk=domain.pk, dkim_next_selector=selector)
        .first()
    )
    if key is None or not key.readable:
        logger.warning("dkim: the next key of %s cannot be opened; cancel the rotation", domain.name)
        return False
    if not probe.verifies(key.reveal(), domain.name, selector, record):
        logger.warning("dkim: mail signed by %s of %s does not verify by its record", selector, domain.name)
        return False
    switched = dkimrotation.switch(domain.pk, selector)
    if switched:
        logger.info("dkim: %s signs for %s", selector, domain.name)
    return switched


def retire_due() -> list[tuple[str, str]]:
    """Removes old keys whose time is over; (domain, selector) of each, whose record may be deleted."""
    over = Domain.objects.exclude(dkim_old_selector="").filter(dkim_rotated_at__lte=timezone.now() - KEEP_OLD)
    found = list(over.values_list("pk", "name", "dkim_old_selector"))
    return [(name, selector) for pk, name, selector in found if dkimrotation.retire(pk)]
