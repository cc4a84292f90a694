"""Who is acting now, and from where: for the audit log, and for submitted messages.

Without models, so that the sendmail program need not load them.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Actor(NamedTuple):
    """Who acts: ``user:NAME``, ``key:NAME (user)``, ``command:NAME``, ``anonymous`` or ``system``, with the ids of the
    operator and the key."""

    name: str
    user_id: int | None = None
    key_id: int | None = None


#: Who acts now. A function if it costs a query, which most requests do not need.
actor: ContextVar[str | Actor | Callable[[], Actor]] = ContextVar("actor", default="system")
#: Where the current request comes from; empty outside of a request.
address: ContextVar[str] = ContextVar("address", default="")


def current_actor() -> str:
    """The name of the current actor."""
    return current().name


def current() -> Actor:
    """The current actor with the ids of operator and key, which may cost a query."""
    found = actor.get()
    if isinstance(found, str):
        return Actor(found)
    return found if isinstance(found, Actor) else found()


@contextmanager
def acting_as(who: str | Actor) -> Iterator[None]:
    """Record what happens inside as done by this actor, such as ``command:rotate_key``."""
    token = actor.set(who)
    try:
        yield
    finally:
        actor.reset(token)
