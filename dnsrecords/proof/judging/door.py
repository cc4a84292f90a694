"""How the receiving side saw the sender: its address, that address's name, encryption, blocklists. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnsrecords.faults import failed
from dnsrecords.proof.judging.verdict import Check, Mark
from dnsrecords.visibility import is_visible
from quazzar import words

if TYPE_CHECKING:
    from dnsrecords.answers import Lookup
    from dnsrecords.proof.judging.received import Hop

_MOST_NAMES = 10


@dataclass(frozen=True, slots=True)
class Listing:
    """A blocklist has an address or domain.

    Attributes:
        reason: why, without a full stop; may be empty.
        page: where to ask for removal.
    """

    subject: str
    blocklist: str
    reason: str
    page: str


@dataclass(frozen=True, slots=True)
class Blocklists:
    """What the blocklists said.

    Attributes:
        asked: how many answered.
        silent: names of those that did not say anything.
    """

    listed: Sequence[Listing] = ()
    asked: int = 0
    silent: Sequence[str] = ()


def tls_of(hop: Hop) -> str:
    """How a hop was encrypted, in words; empty: not known."""
    if hop.encrypted is None:
        return ""
    if not hop.encrypted:
        return "unencrypted"
    return f"TLS {hop.tls}" if hop.tls else "TLS"


def tls(hop: Hop, *, ours: bool) -> Check:
    """Whether the mail was encrypted on its way to the receiving side.

    Args:
        ours: this node's own mail server sent it.
    """
    if hop.encrypted is None:
        return Check(
            "tls", Mark.UNKNOWN, f"{hop.by or 'The receiving server'} does not say whether it was encrypted."
        )
    if not hop.encrypted:
        who = "your mail server" if ours else hop.sender or "the relay"
        return Check(
            "tls",
            Mark.BAD,
            f"The mail went from {who} to {hop.by} without encryption.",
            "Find out why: the receiving server may not offer TLS, or something between removes it."
            if ours
            else "Ask the provider of the relay to encrypt mail to other servers.",
        )
    if hop.tls in ("1", "1.0", "1.1", "2", "3"):
        return Check(
            "tls", Mark.WARNING, f"The mail was encrypted with TLS {hop.tls}, which is no longer safe."
        )
    version = f" with TLS {hop.tls}" if hop.tls else ""
    return Check("tls", Mark.OK, f"The mail was encrypted{version} on its way to {hop.by}.")


def ptr(ip: str, helo: str, lookup: Lookup, *, ours: bool) -> Check:
    """Whether the address has a name that leads back to it, which many servers insist on."""
    who = "your server's" if ours else "the relay's"
    remedy = (
        "Set the reverse name (PTR) of the address where you rent the server, to the mail server's host name."
        if ours
        else "Ask the provider of the relay to correct it."
    )
    answer = lookup(ipaddress.ip_address(ip).reverse_pointer, "PTR")
    if failed(answer.outcome):
        return Check(
            "ptr", Mark.UNKNOWN, f"The reverse name (PTR) of {ip} could not be looked up.", "Try again."
        )
    names = [name.lower().rstrip(".") for name in answer.values[:_MOST_NAMES]]
    if not names:
        return Check("ptr", Mark.BAD, f"{ip}, {who} address, has no reverse name (PTR).", remedy)
    type_ = "AAAA" if ":" in ip else "A"
    confirmed = [name for name in names if ip in lookup(name, type_).values]
    if not confirmed:
        return Check(
            "ptr",
            Mark.BAD,
            f"{ip} has the reverse name {names[0]}, but that name does not lead back to {ip}.",
            f"{remedy} That name needs an {type_} record with {ip}.",
        )
    if helo and helo not in confirmed and not helo.startswith("["):
        return Check(
            "ptr",
            Mark.OK,
            f"The reverse name of {ip} is {confirmed[0]}, and that name leads back to it. "
            f"The server greeted as {helo}.",
        )
    return Check(
        "ptr", Mark.OK, f"The reverse name of {ip} is {confirmed[0]}, and that name leads back to it."
    )


def hidden(ip: str) -> Check:
    """Where address translation hides the sender."""
    seen = f"{ip}, a private address," if ip else "no address"
    return Check(
        "address",
        Mark.UNKNOWN,
        f"The receiving server shows {seen} instead of the one that the mail came from, so the address, its "
        "reverse name and its SPF cannot be judged.",
        "Send the proof to a mailbox at another provider.",
    )


def blocklists(found: Blocklists) -> Check:
    """What the blocklists say about address and domain."""
    if found.listed:
        first, *more = found.listed
        why = f": {first.reason}" if first.reason else ""
        also = (
            f" Also: {words.listed([f'{each.subject} on {each.blocklist}' for each in more])}."
            if more
            else ""
        )
        return Check(
            "blocklists",
            Mark.BAD,
            f"{first.subject} is on the blocklist {first.blocklist}{why}.{also}",
            f"Find the cause first, then ask for removal: {first.page}",
            "admin:dns_blocklists",
        )
    if not found.asked:
        return Check("blocklists", Mark.UNKNOWN, "No blocklist said anything.", page="admin:dns_blocklists")
    return Check("blocklists", Mark.OK, f"On none of {words.count(found.asked, 'blocklist')}.")


def may_be_seen(ip: str) -> bool:
    """Whether an address says something about the sender."""
    return bool(ip) and is_visible(ip)
