"""Asks for the password again before operators change how they sign in, unless they have just signed in.

A browser that was left open must not be enough to take over an account permanently.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from django.contrib.auth import authenticate

if TYPE_CHECKING:
    from django.http import HttpRequest

_KEY = "proved_at"
#: Seconds for which a sign-in, or the password typed again, is enough.
FRESH = 900


def note(request: HttpRequest, **_: Any) -> None:
    """Receive ``user_logged_in``, or record that the password was typed again."""
    request.session[_KEY] = time.time()


def is_fresh(request: HttpRequest) -> bool:
    """Whether the operator proved who they are a short while ago."""
    at: float = request.session.get(_KEY, 0.0)
    return 0 <= time.time() - at < FRESH


def prove(request: HttpRequest, password: str) -> bool:
    """Whether this is the operator's password; failures count, and lock, as those at sign-in do."""
    name = request.user.get_username()
    if authenticate(request, username=name, password=password) != request.user:
        return False
    note(request)
    return True
