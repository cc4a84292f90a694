"""The append-only log of who changed what: names of fields, never their values."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING

from quazzar.models import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
    from django.http import HttpRequest, HttpResponse

#: Who acts now. A function if finding out costs a query, which most requests do not need.
actor: ContextVar[str | Callable[[], str]] = ContextVar("actor", default="system")


def current_actor() -> str:
    """Who acts now: ``user:NAME``, ``key:NAME (user)``, ``command:NAME`` or ``system``."""
    name = actor.get()
    return name if isinstance(name, str) else name()


@contextmanager
def acting_as(name: str) -> Iterator[None]:
    """Record what happens inside as done by this actor, such as ``command:rotate_key``."""
    token = actor.set(name)
    try:
        yield
    finally:
        actor.reset(token)


def record(action: str, target: object = "", fields: Iterable[str] = ()) -> AuditEntry:
    """Add an entry in the current transaction.

    Args:
        action: what was done, such as ``relay.changed``.
        target: what it was done to; its ``str()`` is stored.
        fields: the names of the changed fields, never their values.
    """
    return AuditEntry.objects.create(
        actor=_clipped("actor", current_actor()),
        action=_clipped("action", action),
        target=_clipped("target", str(target)),
        fields=sorted(set(fields)),
    )


def _clipped(column: str, text: str) -> str:
    longest = getattr(AuditEntry._meta.get_field(column), "max_length", None)
    return text[:longest]


class ActorMiddleware:
    """Makes the session's user the actor; API authentication replaces it with the key."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = actor.set(partial(_session_actor, request))
        try:
            return self.get_response(request)
        finally:
            actor.reset(token)


def _session_actor(request: HttpRequest) -> str:
    return name_of(request.user)


def name_of(user: AbstractBaseUser | AnonymousUser) -> str:
    """The actor's name for a user: ``user:NAME``, or ``anonymous``."""
    return f"user:{user.get_username()}" if user.is_authenticated else "anonymous"
