"""After a refused login: one common next attempt for the queue, over all workers and connections.

Each message that tried for itself would be one more failed login, and servers lock out after a few: fail2ban bans at
five in ten minutes. The state is in the row of the relay settings; a change of the settings clears it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F, QuerySet
from django.utils import timezone

from mailrelay.models import RelaySettings
from mailrelay.relay.target import Relay
from quazzar.errors import DeliveryError

#: The wait after each refusal in a row; the last one stays. That makes three logins in the first ten minutes, which
#: leaves the operator a test or two.
WAITS = tuple(timedelta(minutes=minutes) for minutes in (1, 4, 15, 60, 120))
#: How far the clocks of machines that share a database may differ.
_CLOCK_SLACK = timedelta(minutes=2)
#: The columns as they are when nothing was refused.
CLEAR = {"login_refusals": 0, "login_not_before": None, "login_error": None}


def wait(refusals: int) -> timedelta:
    """How long to wait after so many refusals in a row."""
    return WAITS[min(max(refusals, 1), len(WAITS)) - 1]


@dataclass(frozen=True, slots=True)
class Hold:
    """Nobody may sign in ``until`` then, because of this refusal."""

    error: DeliveryError
    until: datetime


def hold(relay: Relay, *, needed: bool = True) -> Hold | None:
    """What to wait for, or None if the caller may sign in.

    When a wait is over, one caller that ``needed`` to sign in may; for the others the next wait begins.
    """
    if not relay.refusals:
        return None
    now, until = timezone.now(), relay.login_not_before
    following = now + wait(relay.refusals + 1)
    if until is not None and now < until <= following + _CLOCK_SLACK:  # further away: a wrong clock wrote it
        return Hold(_latest(relay), until)
    if not needed:
        return None
    if _row(relay).filter(login_not_before=until).update(login_not_before=following):
        return None
    return Hold(_latest(relay), following)


def _latest(relay: Relay) -> DeliveryError:
    """The latest refusal, as it was."""
    stored = relay.login_error or {}
    return DeliveryError(
        str(stored.get("message", "")),
        stage="auth",
        kind=str(stored.get("kind", "auth_rejected")),
        smtp_code=stored.get("code"),
    )


@contextmanager
def remembered(relay: Relay) -> Iterator[None]:
    """Sign in inside this context: the result is remembered.

    Raises:
        DeliveryError: the failure of the login, unchanged.
    """
    try:
        yield
    except DeliveryError as exc:
        refused(relay, exc)
        raise
    accepted(relay)


def refused(relay: Relay, error: DeliveryError) -> datetime:
    """Remember a refused login; returns when the queue may try again."""
    later = timezone.now() + wait(relay.refusals + 1)
    _row(relay).update(
        login_refusals=F("login_refusals") + 1,
        login_not_before=later,
        login_error={"kind": error.kind, "code": error.smtp_code, "message": error.message},
    )
    return later


def accepted(relay: Relay) -> None:
    """Forget earlier refusals, because these settings have signed in."""
    if relay.refusals:
        _row(relay).update(**CLEAR)


def _row(relay: Relay) -> QuerySet[RelaySettings]:
    """The settings, if they are still the ones that were tried."""
    return RelaySettings.objects.filter(pk=1, updated_at=relay.updated_at)
