"""The states of a domain's DKIM keys, and the steps that depend on DNS: no key signs before its record is published.

Key made → its record seen on every name server of the zone, and a probe verifies by it → it signs → the record of the
RSA key that signed before stays until the mail that it signed has arrived → that record may be deleted.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from django.utils import timezone

from dnsrecords.dkim import probe
from dnsrecords.names import dkim_name
from dnsrecords.records.record import FURTHER_KEY, TTL
from mailboxes.dkim import lifecycle
from mailboxes.models import DkimKey, Domain
from quazzar import words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

logger = logging.getLogger(__name__)

RSA, ED25519 = DkimKey.Algorithm.RSA, DkimKey.Algorithm.ED25519
WAITING, SIGNING, RETIRED = DkimKey.State.WAITING, DkimKey.State.SIGNING, DkimKey.State.RETIRED
#: Mail may wait five days in a queue (Postfix's maximal_queue_lifetime), and its key an hour in a cache.
KEEP_RETIRED = timedelta(days=5, seconds=TTL)


@dataclass(frozen=True, slots=True)
class Rotation:
    """The state of the rotation of a domain's RSA key.

    Attributes:
        state: none, pending (the next key waits to be published) or retiring (the last one's record has to stay).
        selector: of the key that signs.
        other: selector of the key that waits, or that signed before; empty: none.
        since: when the present key took over; None: it was the first.
        keep_until: until then the retired key's record has to stay.
        message: what the operator has to do next; empty: nothing.
    """

    state: Literal["none", "pending", "retiring"]
    selector: str
    other: str = ""
    since: datetime | None = None
    keep_until: datetime | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Ed25519Key:
    """The state of a domain's Ed25519 key.

    Attributes:
        state: off (there is none), pending (it waits to be published) or signing.
        selector: empty: there is none.
        message: what it does, and what the operator has to do next.
    """

    state: Literal["off", "pending", "signing"]
    selector: str = ""
    message: str = ""

    @property
    def record(self) -> str:
        """The id of the DNS record that publishes this key."""
        return f"{FURTHER_KEY}{self.selector}"


def rotation(domain: Domain) -> Rotation:
    """How far the rotation of the domain's RSA key has got."""
    name = domain.name
    keys = {key.state: key for key in domain.dkim_keys.without_secrets().filter(algorithm=RSA)}
    signing = keys.get(SIGNING)
    selector, since = (signing.selector, signing.since) if signing else (DkimKey.FIRST_SELECTOR, None)
    if waiting := keys.get(WAITING):
        message = (
            f"Publish the TXT record {dkim_name(waiting.selector, name)}. As soon as every name server of "
            f'{name} has it, the new key starts to sign. Until then, mail is signed with "{selector}".'
        )
        return Rotation("pending", selector, waiting.selector, since, None, message)
    if retired := keys.get(RETIRED):
        until = (retired.since or timezone.now()) + KEEP_RETIRED
        message = (
            f'Mail is signed with "{selector}". Keep the record {dkim_name(retired.selector, name)} until '
            f"{words.minute(until)}: mail signed with the old key may still be in transit."
        )
        return Rotation("retiring", selector, retired.selector, since, until, message)
    return Rotation("none", selector, since=since)


def ed25519_key(domain: Domain) -> Ed25519Key:
    """The state of the domain's Ed25519 key."""
    name = domain.name
    key = domain.dkim_keys.without_secrets().filter(algorithm=ED25519).first()
    if key is None:
        return Ed25519Key(
            "off", message=f"Mail from {name} is signed with RSA only, which every server can verify."
        )
    record = dkim_name(key.selector, name)
    if key.state == WAITING:
        message = (
            f"Publish the TXT record {record}. As soon as every name server of {name} has it, mail is "
            "signed with Ed25519 as well. Until then, it is signed with RSA only."
        )
        return Ed25519Key("pending", key.selector, message)
    leave = f"Keep the record {record} while this is on."
    return Ed25519Key("signing", key.selector, f"Mail from {name} is signed with both keys. {leave}")


def remove_ed25519(domain: Domain) -> Ed25519Key:
    """Turns Ed25519 off; the message says what to do with the key's record.

    Raises:
        NotFound: there is no such domain.
        NoEd25519Key: it is off.
    """
    record = dkim_name(lifecycle.remove_ed25519(domain.pk), domain.name)
    # Mail in transit then fails with this signature, and passes with the other.
    return Ed25519Key(
        "off", message=f"Ed25519 is off for {domain.name}. You may delete the TXT record {record}."
    )


def advance(domain: Domain, published: Mapping[str, str]) -> bool:
    """Lets the domain's waiting keys sign if their records are published.

    Args:
        published: selector → TXT record, for each key that is correct on every name server of the zone.

    Returns:
        True if another RSA key signs from now on, so that the domain's records have changed.
    """
    rotated = False
    for key in domain.dkim_keys.filter(state=WAITING, selector__in=published):
        if _may_sign(key, domain.name, published[key.selector]) and lifecycle.start_signing(
            domain.pk, key.selector
        ):
            logger.info("dkim: %s signs for %s", key.selector, domain.name)
            rotated = rotated or key.algorithm == RSA
    return rotated


def _may_sign(key: DkimKey, domain: str, record: str) -> bool:
    if key.private_key is None or not key.private_key.readable:
        remedy = "cancel the rotation" if key.algorithm == RSA else "turn it off and on again"
        logger.warning("dkim: the key %s of %s cannot be opened; %s", key.selector, domain, remedy)
        return False
    if not probe.verifies(key.private_key.reveal(), domain, key.selector, record):
        logger.warning("dkim: mail signed by %s of %s does not verify by its record", key.selector, domain)
        return False
    return True


def remove_retired() -> list[tuple[str, str]]:
    """Removes the retired keys that no mail needs any more.

    Returns:
        (domain, selector) of each, whose record may be deleted.
    """
    due = DkimKey.objects.filter(state=RETIRED, since__lte=timezone.now() - KEEP_RETIRED)
    rows = list(due.values_list("pk", "domain__name", "selector"))
    return [(name, selector) for pk, name, selector in rows if lifecycle.remove_retired(pk)]
