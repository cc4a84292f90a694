"""What apps contribute to Home: facts for its tiles, steps of the first run, events, mail and traffic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from quazzar.monitoring.doctor import Area
from quazzar.rights import LOOK_AROUND, Right


@dataclass(frozen=True, slots=True)
class Link:
    """Where to go on.

    Attributes:
        page: URL name, such as ``admin:mail_relay``.
        tail: what follows the address, such as ``?status__exact=failed`` or ``#id_host``.
        of: the id of the row whose page it is; None: the page is of no row.
        right: what it takes to follow the text, where that is more than to open the page.
    """

    text: str
    page: str
    tail: str = ""
    of: int | None = None
    right: Right = LOOK_AROUND


class Fact(NamedTuple):
    """One line of a tile: what it is, and a value, a time, or both (``4, oldest`` and 14:05)."""

    name: str
    value: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tile:
    """One area of the node. Its state comes from what the doctor's checks of the area found.

    Attributes:
        link: the page to open, also while nothing is set up.
        off: a sentence that says that nothing is set up yet; else empty.
    """

    area: Area
    title: str
    icon: str
    link: Link
    facts: tuple[Fact, ...] = ()
    off: str = ""


class MailState(StrEnum):
    """The state of outgoing mail, from what was seen."""

    OFF = "off"
    UNREADABLE = "unreadable"
    UNTESTED = "untested"
    WORKS = "works"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Mail:
    """The state of mail that is sent through the relay, from what was seen.

    Attributes:
        at: when a mail was last sent, or since when sending fails.
        place: where it fails, as words (``sign-in``).
        reason: why, without a full stop.
        waiting: how many messages wait, and ``oldest`` since when.
        ever: a mail has left at some time.
    """

    state: MailState
    at: datetime | None = None
    place: str = ""
    reason: str = ""
    waiting: int = 0
    oldest: datetime | None = None
    ever: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        key: names it within the page.
        kind: one of ``KINDS``.
        who: the beginning of the sentence, in bold; ``text`` is the rest.
    """

    key: str
    kind: str
    at: datetime
    who: str
    text: str
    link: Link | None = None


#: Kind of an event → icon, tone, and the word for those who do not see it.
KINDS = {
    "sent": ("mark_email_read", "ok", "Delivered"),
    "failed": ("error", "bad", "Failed"),
    "deferred": ("schedule_send", "wait", "Deferred"),
    "change": ("edit", "busy", "Changed"),
    "sign-in": ("login", "off", "Sign-in"),
    "refused": ("block", "wait", "Refused"),
}


@dataclass(frozen=True, slots=True)
class Part:
    """What one app knows about the node, for an operator.

    Attributes:
        facts: of an area whose tile another app has.
    """

    tiles: tuple[Tile, ...] = ()
    mail: Mail | None = None
    facts: tuple[tuple[Area, Fact], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the first run. It is done when its effect is seen, not when somebody presses a button.

    Attributes:
        key: under which it is remembered that it was done.
        is_done: whether the effect can be seen now, for this operator.
        right: what an operator needs to take it.
        is_personal: each operator takes it; it is not remembered, because it can be undone.
        is_passing: it is shown only while it is to be done, and not remembered either.
        link: None where the operator cannot go on now.
        is_needed: whether the first run ends only after it.
    """

    key: str
    title: str
    text: str
    link: Link | None
    is_done: Callable[[Any], bool]
    right: Right = LOOK_AROUND
    is_personal: bool = False
    is_passing: bool = False
    is_needed: Callable[[], bool] = field(default=lambda: True)


#: (beginning of the hour, outcome) → number; outcomes are sent, failed, deferred and waiting (the most at one time).
Hours = Mapping[tuple[datetime, str], int]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Where the numbers of the charts come from, and who may see them."""

    hours: Callable[[datetime], Hours]
    right: Right
    link: Link


_looks: dict[str, Callable[[Any], Part]] = {}
_events: dict[str, Callable[[Any], Iterable[Event]]] = {}
_steps: dict[str, Step] = {}
_traffic: list[Traffic] = []


def register(name: str, look: Callable[[Any], Part]) -> None:
    """Let ``look`` say, for an operator, what an app knows; it leaves out what the operator may not see."""
    _looks[name] = look


def register_events(name: str, events: Callable[[Any], Iterable[Event]]) -> None:
    """Let ``events`` name, for an operator, what happened last; it leaves out what the operator may not see."""
    _events[name] = events


def register_step(step: Step) -> None:
    """Add a step of the first run; they are shown in the order of ``steps.ORDER``."""
    _steps[step.key] = step


def register_traffic(traffic: Traffic) -> None:
    """Let this fill the charts."""
    _traffic[:] = [traffic]


def parts(user: Any) -> list[Part]:
    """What each app knows about the node, for this operator."""
    return [look(user) for look in _looks.values()]


def events(user: Any) -> list[Event]:
    """What happened last, in all apps."""
    return [event for latest in _events.values() for event in latest(user)]


def all_steps() -> Mapping[str, Step]:
    """The steps of all apps, by key."""
    return _steps


def traffic() -> Traffic | None:
    """The source of the charts."""
    return next(iter(_traffic), None)
