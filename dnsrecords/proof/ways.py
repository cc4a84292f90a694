"""What a proof can use on this node: the ways that mail really takes, addresses to send from, inboxes to find it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dnsrecords.models import Way
from mailboxes.models import Alias, Mailbox, Stack
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
    """Both ways."""
    return [_relay(), _server()]


def option(way: str) -> Option:
    """One of them."""
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
    inbox = login()
    if inbox is None:
        return Option(
            Way.SERVER,
            label,
            stack.send_through_relay,
            missing="Quazzar has no mailbox of the mail server to send from.",
            remedy="Add one of its mailboxes as an inbox, under Returned mail.",
        )
    return Option(Way.SERVER, label, stack.send_through_relay, senders_of(inbox))


def login() -> Inbox | None:
    """The inbox as whose owner the mail server lets us send: a mailbox of its own."""
    stack = Stack.load()
    rows = [row for row in inboxes() if row.password is not None and row.password.readable]
    names = [row.username.lower() for row in rows]
    own = str(getattr(stack, "own", ""))
    ours = {
        own,
        *Mailbox.objects.live().filter(address__in=names, can_send=True).values_list("address", flat=True),
    }
    return next((row for row in rows if row.username.lower() in ours - {""}), None)


def senders_of(inbox: Inbox) -> list[str]:
    """The addresses that its owner may send from: its own, and the aliases that lead to it."""
    address = inbox.username.lower()
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
    from_domain = address.rpartition("@")[2].lower()
    return Stack.load().enabled and _domain_exists(from_domain)


def _domain_exists(name: str) -> bool:
    return (
        Mailbox.objects.live().filter(domain__name=name).exists()
        or Alias.objects.filter(domain__name=name).exists()
    )
