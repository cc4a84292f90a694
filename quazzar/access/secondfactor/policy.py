"""Whether everyone needs a second factor. People without one are asked to set it up at their next sign-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quazzar.access import audit
from quazzar.access.secondfactor import factors
from quazzar.models import SignInPolicy

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest

#: In the session of someone who must set one up. Saves a database query per request.
_FLAG = "must_add_second_factor"


def required() -> bool:
    """Whether operators need a second factor."""
    return SignInPolicy.objects.filter(second_factor_required=True).exists()


def require(wanted: bool) -> None:
    """Change whether everyone needs a second factor, and record it in the audit log."""
    if wanted != required():
        SignInPolicy.objects.update_or_create(pk=1, defaults={"second_factor_required": wanted})
        audit.record("sign_in_policy.changed", changes={"second_factor_required": (not wanted, wanted)})


def note(request: HttpRequest, user: User, **_: Any) -> None:
    """Receive ``user_logged_in``: the session knows what is to be done first."""
    if required() and not factors.has_any(user):
        request.session[_FLAG] = True


def is_due(request: HttpRequest) -> bool:
    """Whether the request's session has to set up a second factor first."""
    session = getattr(request, "session", None)
    return session is not None and _FLAG in session and request.user.is_authenticated


def done(request: HttpRequest) -> None:
    """Let the session continue."""
    request.session.pop(_FLAG, None)
