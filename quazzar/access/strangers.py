"""Limits the requests that one address may send without signing in, so that a flood does not keep the node busy.

A request that is answered as a stranger's takes from its address's allowance. Once that is used up, only operators who
are signed in or have a valid key are let through, which costs one query.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import JsonResponse

from quazzar.access import addresses, apikeys, lockout

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

#: Requests that an address may make at once as a stranger, and how many a second come back.
BURST, PER_SECOND = 600, 10.0
#: Attribute of a request by which the API says that a valid key came with it.
KEY = "quazzar_api_key"
#: The most addresses that are remembered; the one seen longest ago is forgotten first.
_MOST = 10_000
_RETRY_AFTER = 10
_MESSAGE = "This address sends too many requests without signing in. Try again in ten seconds."


@dataclass
class _Allowance:
    left: float
    at: float


class Allowances:
    """The remaining allowance of each address. In memory: there is one web process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, Lock()
        self._known: OrderedDict[str, _Allowance] = OrderedDict()

    def is_used_up(self, address: str) -> bool:
        """Whether the address has to wait, or sign in."""
        with self._lock:
            return self._of(address).left < 1

    def take(self, address: str) -> None:
        """Use up one request of the address's allowance."""
        with self._lock:
            allowance = self._of(address)
            allowance.left = max(0.0, allowance.left - 1)

    def _of(self, address: str) -> _Allowance:
        now = self._clock()
        allowance = self._known.setdefault(address, _Allowance(BURST, now))
        allowance.left = min(BURST, allowance.left + (now - allowance.at) * PER_SECOND)
        allowance.at = now
        self._known.move_to_end(address)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return allowance


class StrangersMiddleware:
    """Answers 429 to strangers whose allowance is used up. It needs the sessions, so it comes after them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.allowances = Allowances()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        address = _counted(request)
        if address is None:
            return self.get_response(request)
        if self.allowances.is_used_up(address) and not _is_known(request):
            body = {"error": "throttled", "message": _MESSAGE}
            return JsonResponse(body, status=429, headers={"Retry-After": str(_RETRY_AFTER)})
        response = self.get_response(request)
        if not (_is_signed_in(request) or getattr(request, KEY, None)):
            self.allowances.take(address)
        return response


def _counted(request: HttpRequest) -> str | None:
    """The address to count by; None for this machine itself, and for a proxy that stands for all its clients."""
    client = addresses.parsed(request.META.get("REMOTE_ADDR", ""))
    if client is None or client.is_loopback or addresses.behind_unknown_proxy(request):
        return None
    return lockout.address(request)


def _is_known(request: HttpRequest) -> bool:
    """Whether the request comes from an operator: one who is signed in, or has a valid key."""
    if _is_signed_in(request):
        return True
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    try:
        return scheme.lower() == "bearer" and bool(apikeys.verify(token.strip()))
    except apikeys.KeyRefused:
        return False


def _is_signed_in(request: HttpRequest) -> bool:
    # Without the cookie, nobody is signed in; reading the user would make every response depend on it.
    return settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated
