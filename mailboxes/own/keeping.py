"""Looks after the mailbox that Quazzar owns: creates it when the stack is enabled, and the inbox that reads it.

It is no row among the mailboxes, so that nobody can delete or rename it, and no number counts it. It is in the domain
of the stack's hostname: that one is always there, while every other domain can be removed.
"""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

from mailboxes import changes
from mailboxes.models import Stack
from mailboxes.own import places
from mailboxes.provisioning import namespace, passwords
from mailrelay.inbox import owned
from quazzar.access import audit

if TYPE_CHECKING:
    from mailrelay.models import Inbox

logger = logging.getLogger(__name__)

_LOCAL_PART = "quazzar"
#: Homes of other mailboxes are numbered from 1, so that none of them ever has one of these numbers.
_NUMBERS = range(10**8, 10**9)


def keep() -> None:
    """Bring mailbox and inbox to what they should be. Safe to be killed, and cheap when nothing is to be done."""
    stack = Stack.load()
    if not (stack.enabled and stack.own_mailbox):
        owned.stop()
        return
    if _complete(stack, owned.row()):
        _follow(stack)
        return
    password = secrets.token_urlsafe(32)
    hashed = passwords.hash_password(password)  # takes a moment, so before other writers have to wait
    with changes.writing():
        stack = Stack.load()
        if not (stack.enabled and stack.own_mailbox) or _complete(stack, owned.row()):
            return
        address = _address(stack)
        home = stack.own_home or f"{stack.hostname}/{_LOCAL_PART}..{secrets.choice(_NUMBERS)}"
        is_new = not stack.own_address
        stack.own_address, stack.own_home, stack.own_password_hash = address, home, hashed
        stack.save(update_fields=["own_address", "own_home", "own_password_hash"])
        changes.bump()
        changes.announce()
        _follow(stack, password)
        audit.record("own_mailbox.added" if is_new else "own_mailbox.renewed", address)
    logger.info("own mailbox: %s is looked after", address)


def _complete(stack: Stack, inbox: Inbox | None) -> bool:
    """Whether there is a mailbox under a name that nobody else has, and an inbox that can sign in to it."""
    secret = inbox.password if inbox else None
    hashed = stack.own_password_hash
    return (
        secret is not None
        and secret.readable
        and hashed is not None
        and hashed.readable
        and bool(stack.own_address)
        and stack.own_address == _address(stack)
    )


def _address(stack: Stack) -> str:
    """The address that it has, or shall have: the first one that no mailbox and no alias has."""
    number = 1
    while True:
        address = f"{_LOCAL_PART}{f'-{number}' if number > 1 else ''}@{stack.hostname}"
        if not namespace.in_rows([address]):
            return address
        number += 1


def _follow(stack: Stack, password: str = "") -> None:
    """Tell the inbox where the mailbox is, and by which certificates to know the server.

    While a new certificate is on its way, the server may still have the one before.
    """
    inbox = owned.row()
    known = inbox.certificates if inbox and stack.applied_generation < stack.desired_generation else []
    certificates = [places.fingerprint(stack.tls_certificate), *known]
    owned.keep(
        stack.own_address,
        password=password,
        host=places.hosts()[0],
        port=places.port(),
        ready=stack.phase in (Stack.Phase.HEALTHY, Stack.Phase.DEGRADED),
        certificates=list(dict.fromkeys(filter(None, certificates)))[:2],
    )
