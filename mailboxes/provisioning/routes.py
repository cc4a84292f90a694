"""Follows mail through the rows of the database: refuses circles, and finds addresses that reach nobody."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailboxes.changes import batches
from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.provisioning import namespace, routing
from mailboxes.provisioning.routing import Box, Directory, Hop, Map
from quazzar.errors import InvalidFields, QuazzarError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


class MailCircle(QuazzarError):
    """A change would forward mail in a circle, and no field is to blame."""

    code = "mail_circle"
    hint = "Change one of the addresses in the circle first."
    status = 409


def look(addresses: Collection[str]) -> Mapping[str, Hop]:
    """The first step of mail for each address, with a few queries for all of them."""
    directory = _directory(addresses)
    return {address: routing.hop(address, directory) for address in addresses}


def _directory(wanted: Collection[str]) -> Directory:
    """What the rows say about these addresses. Of the role addresses it knows those whose domain names a contact."""
    keys = {routing.untagged(address) for address in wanted}
    stack = Stack.objects.filter(pk=1).only("hostname", "own_mailbox", "own_address").first()
    hostname, own = (stack.hostname, stack.own) if stack else ("", "")
    domains, contacts = {hostname: ""} if hostname else {}, dict[str, str]()
    for names in batches({key.rpartition("@")[2] for key in keys}):
        for name, catch_all, contact in Domain.objects.filter(name__in=names).values_list(
            "name", "catch_all", "contact"
        ):
            domains[name] = catch_all
            if contact:
                contacts[name] = contact
    boxes, aliases = dict[str, Box](), dict[str, tuple[str, ...]]()
    for batch in batches(key for key in keys if key.rpartition("@")[2] in domains):
        receiving = Mailbox.objects.live().filter(address__in=batch, can_receive=True)
        for address, forward_to, keep_copy in receiving.values_list("address", "forward_to", "keep_copy"):
            boxes[address] = Box(tuple(forward_to), keep_copy)
        enabled = Alias.objects.filter(address__in=batch, enabled=True)
        aliases |= {
            address: tuple(targets) for address, targets in enabled.values_list("address", "destinations")
        }
    roles = {f"{role}@{name}": (contact,) for name, contact in contacts.items() for role in routing.ROLES}
    if own:
        boxes[own] = Box()
        asked = {key.rpartition("@")[2] for key in keys if key.partition("@")[0] in routing.OWN_ROLES}
        rows = Domain.objects.filter(name__in=asked).values_list("name", flat=True) if asked else ()
        roles |= dict.fromkeys(namespace.own_roles(rows), (own,))
    return Directory(domains, boxes, aliases, roles)


def reachable(addresses: Iterable[str]) -> set[str]:
    """Those of the addresses whose mail arrives somewhere; ``@domain`` stands for its catch-all."""
    texts = set(addresses)
    routes = Map(texts, look)
    arriving = routes.arriving()
    return {text for text in texts if routes.hop(text).key in arriving}


# --- circles -----------------------------------------------------------------------------------------------
def refuse_circle(field: str, *starts: str) -> None:
    """Looks for a circle through the addresses that changed. Call it inside ``changes.writing``, after the change.

    Args:
        field: the field that the error names.
        starts: addresses, or ``@domain`` for its catch-all.

    Raises:
        InvalidFields: mail to one of them would come back to it.
    """
    if sentence := _circle(starts):
        raise InvalidFields({field: [sentence]})


def refuse_circles(addresses: Iterable[str]) -> None:
    """As ``refuse_circle``, for rows that go away or come back, many at once.

    Raises:
        MailCircle: mail to one of them would come back to it.
    """
    if sentence := _circle(list(addresses)):
        raise MailCircle(sentence)


def circles_with(added: Mapping[str, Box | None], starts: Collection[str]) -> dict[str, str]:
    """Start → a sentence about the circle through it, if these mailboxes were there too.

    Args:
        added: address → mailbox; None for one that receives no mail.
    """
    if not starts:
        return {}

    def look_beside(addresses: Collection[str]) -> Mapping[str, Hop]:
        directory = _directory(addresses)
        keys = {routing.untagged(address) for address in addresses}
        boxes = {key: box for key in keys if (box := added.get(key))}
        directory = replace(directory, mailboxes={**directory.mailboxes, **boxes})
        return {address: routing.hop(address, directory) for address in addresses}

    return _sentences(Map(starts, look_beside), starts)


def _circle(starts: Collection[str]) -> str:
    return next(iter(_sentences(Map(starts, look), starts).values()), "")


def _sentences(routes: Map, starts: Iterable[str]) -> dict[str, str]:
    circling = routes.circling()
    return {
        start: f"Mail would be forwarded in a circle: {' → '.join(path)}."
        for start in starts
        if routes.hop(start).key in circling and (path := routes.circle(start))
    }
