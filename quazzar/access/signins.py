"""Sign-ins, sign-outs, and what operators were refused, in the audit log.

Passwords are never in it, nor names that do not exist: those can be passwords that were typed into the wrong field. The
log is never shortened, so failures and refusals, of which anybody can cause many, are recorded up to a limit.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.utils import timezone

from quazzar import actors
from quazzar.access import audit
from quazzar.auditlog.sentences import UNKNOWN
from quazzar.models import AuditEntry

if TYPE_CHECKING:
    from django.http import HttpRequest

logger = logging.getLogger(__name__)

IN, OUT, FAILED, WRONG_CODE, LOCKED = (
    f"operator.{what}"
    for what in ("signed_in", "signed_out", "sign_in_failed", "second_factor_failed", "locked_out")
)
#: The same failure from the same address is recorded once in this time.
_AGAIN_AFTER = timedelta(minutes=1)
#: Failures recorded in an hour.
_MOST_FAILURES = 200

#: An operator or API key had no right to something (403). The same refusal is recorded once an hour, and at most this
#: many different ones for each of them.
REFUSED = "operator.refused"
_REFUSED_AGAIN_AFTER = timedelta(hours=1)
MOST_REFUSALS = 20


def signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    """Record a sign-in of the console (signal ``user_logged_in``)."""
    if audit.address_of(request):
        with actors.acting_as(audit.of_user(user)):
            audit.record(IN, user.get_username())


def signed_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    """Record a sign-out (signal ``user_logged_out``)."""
    if user is not None and audit.address_of(request):
        with actors.acting_as(audit.of_user(user)):
            audit.record(OUT, user.get_username())


def failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """Record a sign-in that failed, within the hourly limit (signal ``user_login_failed``)."""
    _note(WRONG_CODE if "second_factor" in credentials else FAILED, credentials.get("username"), request)


def locked(request: HttpRequest, username: str | None = None, **_: Any) -> None:
    """Record that django-axes locked a name or address (signal ``user_locked_out``)."""
    _note(LOCKED, username, request)


def _note(action: str, name: str | None, request: HttpRequest | None) -> None:
    address = audit.address_of(request)
    if not address:
        return
    known = isinstance(name, str) and User.objects.filter(username=name).exists()
    target = name if known and name else UNKNOWN
    now = timezone.now()
    same = AuditEntry.objects.filter(action=action, address=address, at__gt=now - _AGAIN_AFTER)
    if same.filter(target=target).exists():
        return
    lately = AuditEntry.objects.filter(action=action, at__gt=now - timedelta(hours=1)).count()
    if lately >= _MOST_FAILURES:
        logger.warning(
            "%s %s from %s: not in the audit log, which has %s of the last hour",
            action,
            target,
            address,
            lately,
        )
        return
    audit.record(action, target)


def refused(request: HttpRequest) -> None:
    """Record that the operator or API key behind the request had no right to it."""
    who = actors.current()
    if who.user_id is None:
        return
    target = audit.clipped("target", f"{request.method} {request.path}")
    lately = AuditEntry.objects.filter(
        actor=audit.clipped("actor", who.name), action=REFUSED, at__gt=timezone.now() - _REFUSED_AGAIN_AFTER
    )
    recorded = list(lately.values_list("target", flat=True)[:MOST_REFUSALS])
    if target in recorded:
        return
    if len(recorded) == MOST_REFUSALS:
        logger.warning(
            "%s was refused %s: not in the audit log, which has enough of this hour", who.name, target
        )
        return
    audit.record(REFUSED, target)
