"""The operators of the demo's node, and their API keys."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from demo.environment import OPERATOR
from demo.seed import clock
from demo.seed.clock import Event
from quazzar import actors
from quazzar.access import apikeys, audit, roles
from quazzar.access.joining import invitations, links
from quazzar.home import steps
from quazzar.models import ApiKey

#: Addresses for documentation (RFC 5737), from which people sign in.
HOME, OFFICE, STRANGER = "192.0.2.44", "198.51.100.23", "203.0.113.77"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Crew:
    """The people who work on the node, and the programs that send mail through it."""

    owner: User
    maya: User
    keys: dict[str, ApiKey]

    @contextmanager
    def by(self, who: User | ApiKey, when: datetime, address: str = HOME) -> Iterator[None]:
        """What happens inside is done by them, at that time, from that address."""
        actor = audit.of_user(who) if isinstance(who, User) else audit.of_key(who)
        token = actors.address.set(address)
        try:
            with clock.at(when), actors.acting_as(actor):
                yield
        finally:
            actors.address.reset(token)


def hire(password: str) -> Crew:
    """Make operators with each role, one who was invited, and keys; some weeks ago."""
    now = timezone.now()
    with clock.at(now - 23 * _DAY):
        owner = User.objects.create_superuser(OPERATOR, "ada@harbour.example", password)
        audit.record("operator.created", owner)
    steps.choose(owner, steps.HIDDEN)
    crew = Crew(owner, owner, {})
    maya = _invite(crew, now - 20 * _DAY, "maya", roles.ROLES[1].name)
    _invite(crew, now - 18 * _DAY, "jonas", roles.ROLES[3].name)
    _invite(crew, now - 17 * _DAY, "shop", roles.ROLES[2].name)
    with crew.by(owner, now - _DAY):
        invitations.invite(owner, "lena", "lena@harbour.example", roles.ROLES[3].name)
    crew = Crew(owner, maya, {})
    for days, name, scopes in (
        (19, "alertmanager", ["mail:send"]),
        (19, "nas", ["mail:send"]),
        (16, "shop", ["mail:send"]),
        (12, "grafana", ["mail:read", "mail:send"]),
        (9, "old laptop", ["mail:read", "mail:write", "mail:send"]),
    ):
        with crew.by(owner, now - days * _DAY):
            crew.keys[name], _ = apikeys.issue(owner, name, scopes)
    with crew.by(owner, now - 4 * _DAY, OFFICE):
        apikeys.revoke(crew.keys["old laptop"])
    return crew


def _invite(crew: Crew, when: datetime, name: str, role: str) -> User:
    """Somebody who was invited, and has chosen a password that nobody knows."""
    with crew.by(crew.owner, when):
        link, _ = invitations.invite(crew.owner, name, f"{name}@harbour.example", role)
    with crew.by(link.user, when + timedelta(hours=2), OFFICE):
        links.use(link, secrets.token_urlsafe(24))
    return link.user


def sign_ins(crew: Crew, now: datetime) -> list[Event]:
    """Last week's sign-ins, as events with a time and a function to call."""

    def sign_in(user: User, when: datetime, address: str) -> Callable[[], None]:
        def happen() -> None:
            with crew.by(user, when, address):
                audit.record("operator.signed_in", user.get_username())
            User.objects.filter(pk=user.pk).update(last_login=when)

        return happen

    def fail(when: datetime) -> Callable[[], None]:
        def happen() -> None:
            token = actors.address.set(STRANGER)
            with clock.at(when), actors.acting_as("anonymous"):
                audit.record("operator.sign_in_failed", "an unknown name")
            actors.address.reset(token)

        return happen

    who = ((6, crew.owner, HOME), (5, crew.maya, OFFICE), (3.2, crew.owner, HOME), (1.1, crew.maya, OFFICE))
    moments = [(now - days * _DAY, user, address) for days, user, address in who]
    found: list[Event] = [(when, sign_in(user, when, at)) for when, user, at in moments]
    return [
        *found,
        *((now - hours * timedelta(hours=1), fail(now - hours * timedelta(hours=1))) for hours in (61, 60)),
    ]
