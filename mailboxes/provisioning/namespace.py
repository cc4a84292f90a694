"""Mailboxes and aliases of a domain share one namespace, with Quazzar's own mailbox: which addresses are in use, and by
whom; unused homes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Exists

from mailboxes.changes import batches
from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.provisioning import routing
from quazzar.errors import AlreadyExists, InvalidFields

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Homes looked up at once for an address that existed before.
_TRIES = 8


def domain_name(domain_id: int) -> str:
    """The name of the domain to which a mailbox or an alias is added.

    Raises:
        InvalidFields: there is no such domain.
    """
    name = Domain.objects.filter(pk=domain_id).values_list("name", flat=True).first()
    if name is None:
        raise InvalidFields({"domain": ["This domain does not exist."]})
    return name


def require_free(domain_id: int, address: str) -> None:
    """Checks that the domain exists and that no mailbox and no alias has the address, nor Quazzar itself.

    Call it inside `changes.writing`, so that it still holds at the commit.

    Raises:
        InvalidFields: there is no such domain.
        AlreadyExists: a mailbox or an alias has this address.
    """
    uses = (
        Domain.objects.filter(pk=domain_id)
        .annotate(
            is_mailbox=Exists(Mailbox.objects.live().filter(address=address)),
            is_alias=Exists(Alias.objects.filter(address=address)),
            is_own=Exists(Stack.objects.filter(pk=1, own_address=address)),
        )
        .values_list("is_mailbox", "is_alias", "is_own")
        .first()
    )
    match uses:
        case None:
            raise InvalidFields({"domain": ["This domain does not exist."]})
        case (True, _, _):
            raise AlreadyExists(f"The mailbox {address} already exists.")
        case (_, True, _):
            raise AlreadyExists(f"The alias {address} already exists.")
        case (_, _, True):
            raise AlreadyExists(f"{address} is Quazzar's own mailbox. Choose another address.")


def in_use(addresses: Iterable[str]) -> dict[str, str]:
    """Which of these addresses are in use: address → ``mailbox`` or ``alias``."""
    own = Stack.objects.filter(pk=1).exclude(own_address="").values_list("own_address", flat=True)
    wanted = set(addresses)
    return dict.fromkeys(wanted.intersection(own), "mailbox") | in_rows(wanted)


def own_roles(domains: Iterable[str]) -> list[str]:
    """The addresses in these domains whose mail goes to Quazzar's own mailbox, while there is one.

    An operator's mailbox or alias of such an address keeps its mail, even while it is disabled.
    """
    roles = {f"{role}@{name}" for name in domains for role in routing.OWN_ROLES}
    return sorted(roles - in_rows(roles).keys())


def in_rows(addresses: Iterable[str]) -> dict[str, str]:
    """As ``in_use``, but of the operators' mailboxes and aliases alone."""
    uses: dict[str, str] = {}
    for batch in batches(addresses):
        mailboxes = Mailbox.objects.live().filter(address__in=batch).values_list("address", flat=True)
        uses.update(dict.fromkeys(mailboxes, "mailbox"))
        aliases = Alias.objects.filter(address__in=batch).values_list("address", flat=True)
        uses.update(dict.fromkeys(aliases, "alias"))
    return uses


def unused_home(address: str) -> str:
    """A home for a new mailbox, relative to /srv/vmail; never that of a deleted mailbox, whose mail may be there."""
    first = 1
    while True:
        # Equality uses the index on every database; a search by prefix does not.
        candidates = [_home(address, number) for number in range(first, first + _TRIES)]
        used = set(Mailbox.objects.filter(home__in=candidates).values_list("home", flat=True))
        unused = next((home for home in candidates if home not in used), None)
        if unused is not None:
            return unused
        first += _TRIES


def unused_homes(addresses: Iterable[str]) -> dict[str, str]:
    """Address → `unused_home`, with one query for many addresses that are new."""
    homes = {address: _home(address, 1) for address in addresses}
    used: set[str] = set()
    for batch in batches(homes.values()):
        used.update(Mailbox.objects.filter(home__in=batch).values_list("home", flat=True))
    return {address: unused_home(address) if home in used else home for address, home in homes.items()}


def _home(address: str, number: int) -> str:
    local, _, domain = address.rpartition("@")
    # A local part never has two dots together, so the second home of one address is never the first of another.
    return f"{domain}/{local}" + (f"..{number}" if number > 1 else "")
