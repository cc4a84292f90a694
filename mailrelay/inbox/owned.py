"""The inbox that Quazzar looks after itself: a mailbox of the node's own mail server. Its only writer.

What looks after the mail server says where it is (``mailboxes/own``); operators change nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db import transaction

from mailrelay.inbox.settings import NOT_READ_YET
from mailrelay.models import Inbox


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses for bounces and reports.

    Attributes:
        ours: their mail goes to the mailbox that Quazzar owns.
        not_ours: they are mailboxes or aliases of operators, and stay it.
    """

    ours: Sequence[str] = ()
    not_ours: Sequence[str] = ()


_where: Callable[[], Sequence[str]] = tuple
_addresses: Callable[[], Addresses] = Addresses
_has_mailbox: Callable[[str], bool] = lambda _: False  # noqa: E731


def row() -> Inbox | None:
    """The inbox, switched on or off; None if there never was one."""
    return Inbox.objects.filter(owned=True).first()


def register(
    where: Callable[[], Sequence[str]], known: Callable[[], Addresses], has_mailbox: Callable[[str], bool]
) -> None:
    """Take over what only the owner of the mail server knows.

    Args:
        where: hosts at which it may answer, as seen from this process, in the order in which to try.
        known: the addresses for bounces and reports.
        has_mailbox: whether an address is an operator's mailbox on that mail server.
    """
    global _where, _addresses, _has_mailbox
    _where, _addresses, _has_mailbox = where, known, has_mailbox


def addresses() -> Addresses:
    """The addresses for bounces and reports in all domains of the mail server."""
    return _addresses()


def for_bounces(from_address: str, login: str) -> str:
    """The address for bounces in the same domain as this sender; empty if its mail does not come to the mailbox, or
    if the relay is this very mail server, which lets nobody send from another address than their own.

    Args:
        login: the user name at the relay.
    """
    if _has_mailbox(login.lower()) and login.lower() != from_address.lower():
        return ""
    address = f"bounces@{from_address.rpartition('@')[2].lower()}"
    return address if address in addresses().ours else ""


def hosts(inbox: Inbox) -> tuple[str, ...]:
    """Where to try: first where it was found, if that can be reached from here at all."""
    known = dict.fromkeys(_where())
    first = [inbox.host] if inbox.host in known or not known else []
    return tuple(dict.fromkeys([*first, *known]))


def keep(
    username: str,
    *,
    host: str,
    port: int,
    certificates: Sequence[str],
    password: str = "",
    ready: bool = True,
) -> None:
    """Read this mailbox.

    Args:
        ready: it can be read now; False while its server starts.
        host: where it is, as long as it was found nowhere else.
        certificates: SHA-256 of those of which the server must have one.
        password: a new one; "" keeps the stored one.
    """
    with transaction.atomic():
        inbox = Inbox.objects.select_for_update().filter(owned=True).first() or Inbox(owned=True)
        values = {
            "host": inbox.host or host,
            "port": port,
            "security": Inbox.Security.TLS,
            "username": username,
            "certificates": list(certificates),
            "after": Inbox.After.SEEN,
            "enabled": ready,
        }
        changed = {name for name, value in values.items() if getattr(inbox, name) != value}
        if inbox.pk and not changed and not password:
            return
        for name, value in values.items():
            setattr(inbox, name, value)
        if password:
            inbox.password = password
        if "username" in changed:
            for name, value in NOT_READ_YET.items():
                setattr(inbox, name, value)
        inbox.save()


def stop() -> None:
    """Read it no more; what was read stays."""
    Inbox.objects.filter(owned=True, enabled=True).update(enabled=False, last_error=None)
