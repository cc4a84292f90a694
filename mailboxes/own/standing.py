"""How Quazzar's own mailbox stands: its address, and which addresses lead to it."""

from __future__ import annotations

from dataclasses import dataclass

from mailboxes.models import Domain, Mailbox, Stack
from mailboxes.provisioning import namespace, routing
from mailrelay.inbox.owned import Addresses


@dataclass(frozen=True, slots=True)
class Other:
    """An address for bounces or reports that is an operator's mailbox or alias, and stays it."""

    address: str
    kind: str


@dataclass(frozen=True, slots=True)
class Standing:
    """The mailbox.

    Attributes:
        enabled: the operator has not switched it off.
        address: empty while there is none.
        addresses: their mail goes there.
        not_ours: addresses of the same kind that somebody else has.
    """

    enabled: bool
    address: str
    addresses: list[str]
    not_ours: list[Other]


def addresses() -> Addresses:
    """The addresses, for the page about what comes back."""
    found = read(Stack.load())
    return Addresses(found.addresses, [other.address for other in found.not_ours])


def is_mailbox(address: str) -> bool:
    """Whether it is an operator's mailbox on this mail server."""
    return Mailbox.objects.live().filter(address=address).exists()


def takes(login: str, address: str) -> bool:
    """Whether a relay that this login signs in to takes the address as the envelope sender.

    It does not if the relay is this mail server, and the running one has not been told yet.
    """
    if not is_mailbox(login) or not namespace.own_roles([address.rpartition("@")[2]]).count(address):
        return True
    stack = Stack.load()
    return not stack.own or stack.applied_generation >= stack.desired_generation


def read(stack: Stack) -> Standing:
    """How it stands now."""
    names = list(Domain.objects.order_by("name").values_list("name", flat=True)) if stack.own else []
    roles = [f"{role}@{name}" for name in names for role in routing.OWN_ROLES]
    used = namespace.in_rows(roles)
    return Standing(
        stack.own_mailbox,
        stack.own,
        [role for role in roles if role not in used],
        [Other(role, used[role]) for role in roles if role in used],
    )
