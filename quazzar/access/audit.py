"""The append-only log of who changed what, and from where."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from quazzar import actors
from quazzar.actors import Actor
from quazzar.auditlog import harmless
from quazzar.models import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
    from django.http import HttpRequest, HttpResponse

    from quazzar.models import ApiKey


def record(
    action: str,
    target: object = "",
    fields: Iterable[str] = (),
    changes: Mapping[str, tuple[Any, Any]] | None = None,
) -> AuditEntry:
    """Add an entry in the current transaction.

    Args:
        action: what was done, such as ``relay.changed``. `auditlog.sentences` has a sentence for each.
        target: what it was done to; its ``str()`` is stored.
        fields: the names of the changed fields.
        changes: changed field → before and after; their names need not be among ``fields``. Of those that
            `auditlog.harmless` does not name, only the name is stored.
    """
    who, changes = actors.current(), changes or {}
    return AuditEntry.objects.create(
        actor=clipped("actor", who.name),
        user_id=who.user_id,
        key_id=who.key_id,
        address=clipped("address", actors.address.get()),
        action=clipped("action", action),
        target=clipped("target", str(target)),
        fields=sorted({*fields, *changes}),
        changes=harmless.kept(action, changes),
    )


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], names: Iterable[str]
) -> dict[str, tuple[Any, Any]]:
    """Before and after of these fields, for `record`."""
    return {name: (before.get(name), after.get(name)) for name in names}


def clipped(column: str, text: str) -> str:
    """The text as an entry's column can hold it."""
    longest = getattr(AuditEntry._meta.get_field(column), "max_length", None)
    return text[:longest]


class ActorMiddleware:
    """Makes the session's user the actor, and notes the client's address; API authentication names the key instead."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        who = actors.actor.set(partial(_session_actor, request))
        # That of a trusted proxy has been replaced by its client's before (addresses.ClientAddressMiddleware).
        where = actors.address.set(address_of(request))
        try:
            return self.get_response(request)
        finally:
            actors.actor.reset(who)
            actors.address.reset(where)


def address_of(request: HttpRequest | None) -> str:
    """Where a request comes from; empty when it did not come over a network, as when scripts and tests sign in."""
    return str(getattr(request, "META", {}).get("REMOTE_ADDR", ""))


def _session_actor(request: HttpRequest) -> Actor:
    return of_user(request.user)


def of_user(user: AbstractBaseUser | AnonymousUser) -> Actor:
    """The actor of a user; ``anonymous`` for none."""
    return Actor(name_of(user), user.pk) if user.is_authenticated else Actor("anonymous")


def of_key(key: ApiKey) -> Actor:
    """The actor of an API key."""
    return Actor(f"key:{key.name} ({key.user.get_username()})", key.user_id, key.pk)


def name_of(user: AbstractBaseUser | AnonymousUser) -> str:
    """The actor's name for a user: ``user:NAME``, or ``anonymous``."""
    return f"user:{user.get_username()}" if user.is_authenticated else "anonymous"
