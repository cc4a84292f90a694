"""A sign-in whose password was right and whose second factor is still missing.

The session belongs to nobody until then, so no page and no call can forget to ask.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.utils.crypto import constant_time_compare

if TYPE_CHECKING:
    from django.http import HttpRequest

_KEY = "second_factor"
#: Seconds in which the second factor has to follow.
PATIENCE = 600


def begin(request: HttpRequest, user: User, to: str) -> None:
    """Remember whose password was right, and the page that they wanted."""
    request.session.flush()
    request.session[_KEY] = {
        "user": user.pk,
        # So that changing or resetting the password ends this as it ends sessions.
        "hash": user.get_session_auth_hash(),
        "at": time.time(),
        "to": to,
    }
    request.session.set_expiry(PATIENCE)


def user_of(request: HttpRequest) -> User | None:
    """Who has to present a second factor; None: nobody, or it took too long."""
    noted = request.session.get(_KEY)
    if noted is None or not 0 <= time.time() - noted["at"] < PATIENCE:
        return None
    user = User.objects.filter(pk=noted["user"], is_active=True).first()
    if user is None or not constant_time_compare(noted["hash"], user.get_session_auth_hash()):
        return None
    return user


def end(request: HttpRequest) -> str:
    """Forget it, before the user is signed in; returns the page that they wanted."""
    noted = request.session.pop(_KEY, {})
    request.session.set_expiry(None)
    return str(noted.get("to", ""))
