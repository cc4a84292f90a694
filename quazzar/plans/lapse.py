"""When the licence in force ends, and which warning is due. Pure, but for ``ending``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from quazzar.plans import licenses
from quazzar.plans.plans import FEATURES, Plan

#: Days before the end on which the alert recipients are warned.
WARNING_DAYS = (14, 7, 1)
_FEATURE = "orbit_mail"


@dataclass(frozen=True, slots=True)
class State:
    """What was last known about the licence, and mailed about it.

    Attributes:
        is_entitled: Mail Relay was included.
        ends_at: when that was to end.
        warned_days: the last of WARNING_DAYS that was warned of, for this end; None: none yet.
    """

    is_entitled: bool
    ends_at: datetime | None = None
    warned_days: int | None = None


News = Literal["", "ends", "lapsed", "back"]


def ending(now: datetime) -> timedelta | None:
    """How long Mail Relay is included from now on, if that ends within the longest warning; else None."""
    state = current()
    if not state.is_entitled or state.ends_at is None:
        return None
    left = state.ends_at - now
    return left if left <= timedelta(days=WARNING_DAYS[0]) else None


def current() -> State:
    """What the licence says now."""
    licence = licenses.read()
    is_entitled = licence.plan >= FEATURES[_FEATURE]
    return State(is_entitled, licence.expires_at if is_entitled else None)


def step(known: State, present: State, now: datetime) -> tuple[State, News]:
    """Return what is known from now on, and the news in it.

    Args:
        known: what was known before.
        present: ``current()``.
    """
    if not present.is_entitled:
        return State(False, known.ends_at), "lapsed" if known.is_entitled else ""
    warned = known.warned_days if known.ends_at == present.ends_at and known.is_entitled else None
    due = due_warning(present.ends_at - now) if present.ends_at else None
    if due is not None and (warned is None or due < warned):
        return State(True, present.ends_at, due), "ends"
    return State(True, present.ends_at, warned), "" if known.is_entitled else "back"


def due_warning(left: timedelta) -> int | None:
    """The last of WARNING_DAYS that has come when so much time is left; None: none yet."""
    return min((days for days in WARNING_DAYS if left <= timedelta(days=days)), default=None)


def lowest_plan() -> Plan:
    """The lowest plan that includes Mail Relay."""
    return FEATURES[_FEATURE]
