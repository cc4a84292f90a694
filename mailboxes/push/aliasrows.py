"""The rows of Postfix's ``virtual_alias_maps``, built so that mail is always accepted. Pure.

Rows that lead only to addresses of ours that do not exist are left out, so that their mail is refused at once and not
bounced later. Rows that form a circle, which older versions accepted, lead straight to where their mail arrives.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from mailboxes.provisioning import addresses, routing
from mailboxes.provisioning.routing import Box, Directory, Hop, Kind, Map

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from mailboxes.push.entries import Snapshot

    Look: TypeAlias = Callable[[Collection[str]], Mapping[str, Hop]]

_KEPT = Box()


def rows(snapshot: Snapshot) -> dict[str, list[str]]:
    """Key → where its mail goes. Each mailbox has a row, or its mail would go to the catch-all of its domain."""
    directory = directory_of(snapshot)
    routes = routes_of(directory)
    staying, arriving, circling = routes.staying(), routes.arriving(), routes.circling()
    table = {
        address: [address]
        for address, box in directory.mailboxes.items()
        if not box.forward_to and address not in directory.aliases
    }
    for key in routes.hops.keys() & _sources(directory):
        ways = [target for target, to in routes.next(key) if to in arriving]
        targets = routes.ends(key) if key in circling else ways
        if key in staying:
            targets = [key, *targets]
        if targets:
            table[key] = list(dict.fromkeys(targets))
    hostname = snapshot.hostname
    elsewhere = {*(domain.name for domain in snapshot.domains), snapshot.own.rpartition("@")[2]}
    if hostname and hostname not in elsewhere and _has_roles(table, hostname):
        # virtual_alias_domains is this table: the row declares the domain, and its value means nothing. A domain must
        # not be in virtual_mailbox_domains, too.
        table[hostname] = [hostname]
    return table


def directory_of(snapshot: Snapshot) -> Directory:
    """What the snapshot says, with the role addresses of every domain leading to somebody who can be reached."""
    bare = Directory(
        domains=_hosts(snapshot) | {domain.name: _checked(domain.catch_all) for domain in snapshot.domains},
        mailboxes={
            mailbox.address: Box(_all_checked(mailbox.forward_to), mailbox.keep_copy)
            if mailbox.forward_to
            else _KEPT
            for mailbox in snapshot.mailboxes
            if mailbox.can_receive
        },
        aliases={alias.address: _all_checked(alias.destinations) for alias in snapshot.aliases},
    )
    roles = _roles(snapshot, bare) | dict.fromkeys(snapshot.own_roles, (snapshot.own,))
    # A role address whose alias reaches nobody is accepted anyway.
    taken = roles.keys() & bare.aliases.keys()
    dead = taken - set(reachable(taken, bare))
    aliases = {address: targets for address, targets in bare.aliases.items() if address not in dead}
    return Directory(bare.domains, bare.mailboxes, aliases, roles)


def routes_of(directory: Directory) -> Map:
    """Every step of mail for the addresses in the directory, except for mailboxes that only keep theirs."""
    return Map(_sources(directory), looking_in(directory))


def looking_in(directory: Directory) -> Look:
    """The hops of some addresses, according to the directory."""

    def look(ahead: Collection[str]) -> Mapping[str, Hop]:
        return {address: routing.hop(address, directory) for address in ahead}

    return look


def reachable(candidates: Iterable[str], directory: Directory) -> list[str]:
    """Those of the addresses whose mail arrives somewhere."""
    texts = list(candidates)
    routes = Map(texts, looking_in(directory))
    arriving = routes.arriving()
    return [text for text in texts if routes.hop(text).key in arriving]


def _sources(directory: Directory) -> set[str]:
    """The keys of rows that lead elsewhere."""
    return {
        *(address for address, box in directory.mailboxes.items() if box.forward_to),
        *directory.aliases,
        *directory.roles,
        *(f"@{domain}" for domain, catch_all in directory.domains.items() if catch_all),
    }


def _roles(snapshot: Snapshot, bare: Directory) -> dict[str, tuple[str, ...]]:
    """Role address → who reads its mail: the domain's contact, else its catch-all, else the operators."""
    operators = tuple(reachable(_all_checked(snapshot.operators), bare))
    contacts = _hosts(snapshot) | {domain.name: _checked(domain.contact) for domain in snapshot.domains}
    usable = set(reachable([*filter(None, contacts.values()), *(f"@{domain}" for domain in contacts)], bare))
    roles: dict[str, tuple[str, ...]] = {}
    relayed: list[tuple[str, str]] = []
    for domain, contact in contacts.items():
        for local_part in routing.HOST_ROLES if domain == snapshot.hostname else routing.ROLES:
            role = f"{local_part}@{domain}"
            if f"@{domain}" not in usable and operators:
                roles[role] = operators
            if _is_role(contact, bare):
                relayed.append((role, contact))
            elif contact in usable:
                roles[role] = (contact,)
    # A contact that is the role address of another domain: mail goes to those who read that one.
    elsewhere = [
        (role, contact) for role, contact in relayed if contact.rpartition("@")[2] != role.rpartition("@")[2]
    ]
    return roles | {
        role: roles.get(contact, (contact,)) for role, contact in elsewhere if contact in {*roles, *usable}
    }


def _is_role(address: str, bare: Directory) -> bool:
    """Whether it is a role address of ours that no mailbox and no alias has."""
    hop = routing.hop(address, bare)
    nobody_has_it = hop.kind in (Kind.NOBODY, Kind.CATCH_ALL)
    return nobody_has_it and routing.untagged(address).partition("@")[0] in routing.HOST_ROLES


def _has_roles(table: Mapping[str, list[str]], domain: str) -> bool:
    return any(f"{local_part}@{domain}" in table for local_part in routing.HOST_ROLES)


def _hosts(snapshot: Snapshot) -> dict[str, str]:
    """The hostname, which is one of our domains even if no mailbox can be in it."""
    return {snapshot.hostname: ""} if snapshot.hostname else {}


def _checked(address: str) -> str:
    return destination(address) if address else ""


def _all_checked(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(destination, texts))


@lru_cache(maxsize=65536)
def destination(address: str) -> str:
    """An address to forward to, normalised.

    Raises:
        ValueError: it is not one, so it could break the table.
    """
    return addresses.destination(address)
