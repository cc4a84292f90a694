"""Mailboxes and aliases of a domain share one namespace: whether an address is free, and a home that nobody had."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Exists

from mailboxes.changes import batches
from mailboxes.models import Alias, Domain, Mailbox
from quazzar.errors import AlreadyExists, InvalidFields

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Homes looked up at once for an address that was made before.
_TRIES = 8


def domain_name(domain_id: int) -> str:
    """The name of a domain that something is to be added to.

    Raises:
        InvalidFields: there is no such domain.
    """
    name = Domain.objects.filter(pk=domain_id).values_list("name", flat=True).first()
    if name is None:
        raise InvalidFields({"domain": ["There is no such domain."]})
    return name


def require_free(domain_id: int, address: str) -> None:
    """Inside ``changes.writing``: the domain is there, and the address is neither a mailbox nor an alias.

    Raises:
        InvalidFields: there is no such domain.
        AlreadyExists: the address is taken.
    """
    found = (
        Domain.objects.filter(pk=domain_id)
        .annotate(
            is_mailbox=Exists(Mailbox.objects.live().filter(address=address)),
            is_alias=Exists(Alias.objects.filter(address=address)),
        )
        .values_list("is_mailbox", "is_alias")
        .first()
    )
    match found:
        case None:
            raise InvalidFields({"domain": ["There is no such domain."]})
        case (True, _):
            raise AlreadyExists(f"There is a mailbox {address} already.")
        case (_, True):
            raise AlreadyExists(f"There is an alias {address} already.")


def taken(addresses: Iterable[str]) -> dict[str, str]:
    """Of these addresses those that are taken, and by what: ``mailbox`` or ``alias``."""
    found: dict[str, str] = {}
    for some in batches(addresses):
        boxes = Mailbox.objects.live().filter(address__in=some).values_list("address", flat=True)
        found.update(dict.fromkeys(boxes, "mailbox"))
        aliases = Alias.objects.filter(address__in=some).values_list("address", flat=True)
        found.update(dict.fromkeys(aliases, "alias"))
    return found


def home(address: str) -> str:
    """Where the mail of a new mailbox lies, below /srv/vmail: never where that of a deleted one still does."""
    first = 1
    while True:
        # Asked by equality: a search for what begins so has no index on every database.
        candidates = [_home(address, number) for number in range(first, first + _TRIES)]
        had = set(Mailbox.objects.filter(home__in=candidates).values_list("home", flat=True))
        free = next((each for each in candidates if each not in had), None)
        if free is not None:
            return free
        first += _TRIES


def homes(addresses: Iterable[str]) -> dict[str, str]:
    """``home`` for many addresses, with few queries where none was made before."""
    chosen = {address: _home(address, 1) for address in addresses}
    had: set[str] = set()
    for some in batches(chosen.values()):
        had.update(Mailbox.objects.filter(home__in=some).values_list("home", flat=True))
    return {address: home(address) if place in had else place for address, place in chosen.items()}


def _home(address: str, number: int) -> str:
    local, _, domain = address.rpartition("@")
    # Two dots never occur in a local part, so the second home of one address is never the first of another.
    return f"{domain}/{local}" + (f"..{number}" if number > 1 else "")
