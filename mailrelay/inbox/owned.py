"""The inbox that Quazzar looks after itself: a mailbox of the node's own mail server. Its only writer.

What looks after the mail server says where it is (``mailboxes/own``); operators change nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.db import transaction

from mailrelay.inbox.settings import NOT_READ_YET
from mailrelay.models import Inbox

_where: Callable[[], Sequence[str]] = tuple


def row() -> Inbox | None:
    """The inbox, switched on or off; None if there never was one."""
    return Inbox.objects.filter(owned=True).first()


def register(where: Callable[[], Sequence[str]]) -> None:
    """Say at which hosts the server may answer, as seen from this process, in the order in which to try."""
    global _where
    _where = where


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
