"""What a proof can use on this node: the ways that mail really takes, addresses to send from, inboxes to find it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dnsrecords.models import Way
from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.provisioning import namespace
from mailrelay.models import Inbox, RelaySettings
from mailrelay.relay.target import default_from

#: Aliases that are offered as senders.
_MOST_SENDERS = 50


@dataclass(frozen=True, slots=True)
class Option:
    """A way, and whether it can be proven now.

    Attributes:
        label: as the page shows it.
        senders: addresses to send from; the first is the default. Of the relay, others are possible.
        missing: why the way cannot be proven; empty: it can.
        remedy: what to do about that.
    """

    way: Way
    label: str
    through_relay: bool = False
    senders: Sequence[str] = ()
    missing: str = ""
    remedy: str = ""


def options() -> list[Option]:
    """All ways that mail can take from this node, also those that cannot be proven now."""
    return [_relay(), _server()]


def option(way: str) -> Option:
    """The way with this name, which must be one of ``Way``."""
    return _relay() if way == Way.RELAY else _server()


def _relay() -> Option:
    relay = RelaySettings.objects.defer("password").filter(pk=1).first()
    if relay is None or not relay.configured:
        return Option(
            Way.RELAY, "Relay", missing="No relay is set up.", remedy="Enter one in the relay settings."
        )
    sender = default_from(relay.from_address, relay.username)
    return Option(Way.RELAY, f"Relay ({relay.host})", senders=(sender,))


def _server() -> Option:
    stack = Stack.load()
    label = "Mail server, through the relay" if stack.send_through_relay else "Mail server, directly"
    if not stack.enabled:
        return Option(Way.SERVER, "Mail server", missing="The mail server is off.", remedy="Enable it.")
    senders = tuple(address for _, addresses in _logins(stack) for address in addresses)
    if not senders:
        return Option(
            Way.SERVER,
            label,
            stack.send_through_relay,
            missing="Quazzar has no address of the mail server to send from.",
            remedy="Add a domain; or add one of your mailboxes as an inbox, under Returned mail.",
        )
    return Option(Way.SERVER, label, stack.send_through_relay, tuple(dict.fromkeys(senders)))


def login_for(sender: str) -> Inbox | None:
    """The inbox as whose owner the mail server lets us send from this address."""
    found = _logins(Stack.load())
    return next((inbox for inbox, addresses in found if sender.lower() in addresses), None)


def _logins(stack: Stack) -> list[tuple[Inbox, list[str]]]:
    """Mailboxes of the mail server whose password we have, with the addresses that they may send from."""
    rows = [row for row in inboxes() if row.password is not None and row.password.readable]
    names = [row.username.lower() for row in rows if not row.owned]
    live = Mailbox.objects.live().filter(address__in=names, can_send=True).values_list("address", flat=True)
    domains = Domain.objects.order_by("name").values_list("name", flat=True)
    return [
        (row, namespace.own_roles(domains) if row.owned else senders_of(row.username.lower()))
        for row in sorted(rows, key=lambda row: not row.owned)
        if row.username.lower() in ({stack.own} if row.owned else set(live))
    ]


def senders_of(address: str) -> list[str]:
    """The addresses that the owner of a mailbox may send from: its own, and the aliases that lead to it."""
    aliases = Alias.objects.filter(enabled=True, destinations__icontains=f'"{address}"').order_by("address")
    found = [row.address for row in aliases[:_MOST_SENDERS] if address in row.destinations]
    return [address, *(each for each in found if not each.startswith("@"))]


def address_of(inbox: Inbox) -> str:
    """The address that an inbox gets mail for, if its user name says it; else empty."""
    return inbox.username.lower() if "@" in inbox.username else ""


def inboxes() -> list[Inbox]:
    """Where a proof can be found."""
    return list(Inbox.objects.filter(enabled=True).order_by("pk"))


def is_ours(address: str) -> bool:
    """Whether the mail server of this node delivers mail for the address itself."""
    stack, name = Stack.load(), address.rpartition("@")[2].lower()
    return stack.enabled and (address.lower() == stack.own or Domain.objects.filter(name=name).exists())
