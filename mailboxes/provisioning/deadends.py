"""Sentences about rows whose mail nobody receives, for the API, the console and doctor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailboxes.provisioning import operators, routes, routing
from mailboxes.provisioning.addresses import shown
from mailboxes.provisioning.routing import Kind, Map

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from mailboxes.models import Alias, Domain, Mailbox


def of_aliases(rows: Collection[Alias]) -> dict[int, list[str]]:
    """Id → what is wrong with the destinations of the aliases, whether they are enabled or not."""
    dead = _dead({target for row in rows for target in row.destinations})
    return {row.pk: _sentences(row.destinations, dead) for row in rows}


def of_mailboxes(rows: Collection[Mailbox]) -> dict[int, list[str]]:
    """Id → what is wrong with the addresses that the mailboxes forward to."""
    dead = _dead({target for row in rows for target in row.forward_to})
    return {
        row.pk: [f"{why} Mail for it is lost." for target in row.forward_to if (why := dead.get(target))]
        for row in rows
    }


def of_domains(rows: Collection[Domain]) -> dict[int, list[str]]:
    """Id → what is wrong with the catch-alls, the contacts, and the role addresses of the domains."""
    named = {target for row in rows for target in (row.catch_all, row.contact) if target}
    dead = _dead(named)
    roles = {row.pk: [f"{role}@{row.name}" for role in routing.ROLES] for row in rows}
    # The operators read all of them that have no other reader.
    unread = set[str]() if operators.current() else {name for names in roles.values() for name in names}
    unread -= routes.reachable(unread)
    warnings: dict[int, list[str]] = {}
    for row in rows:
        warnings[row.pk] = [
            f"{why} Mail that should go there {fate}."
            for target, fate in (
                (row.catch_all, "is refused"),
                (row.contact, "goes to the operators of this server"),
            )
            if (why := dead.get(target))
        ]
        if unread.intersection(roles[row.pk]):
            addresses = " and ".join(name for name in roles[row.pk] if name in unread)
            warnings[row.pk].append(
                f"Nobody reads mail for {addresses}, which every mail domain must accept (RFC "
                "5321 section 4.5.1). Set a contact for the domain, or an alert recipient in the Relay "
                "settings."
            )
    return warnings


def _sentences(targets: Sequence[str], dead: dict[str, str]) -> list[str]:
    reasons = [dead[target] for target in targets if target in dead]
    if len(reasons) == len(targets):
        return [f"Refused: {why}" for why in reasons]
    return [f"{why} Mail for it is lost." for why in reasons]


def _dead(targets: Collection[str]) -> dict[str, str]:
    """Those of the addresses that reach nobody → why, in a sentence."""
    routes_ = Map(targets, routes.look)
    arriving = routes_.arriving()
    dead: dict[str, str] = {}
    for target in targets:
        hop = routes_.hop(target)
        local_part = hop.key.partition("@")[0]
        if hop.key in arriving or local_part in routing.ROLES:
            continue  # a role address is always taken; who reads it is the domain's matter
        # A catch-all whose target nobody has falls back to itself.
        missing = hop.kind is Kind.NOBODY or hop.kind is Kind.CATCH_ALL
        dead[target] = (
            f"{shown(target)} is not a mailbox here."
            if missing
            else f"{shown(target)} does not lead to any mailbox."
        )
    return dead
