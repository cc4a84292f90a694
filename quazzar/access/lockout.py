"""django-axes, with two limits: failed sign-ins for a name from an address, and for any names from an address."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from axes.handlers.database import AxesDatabaseHandler
from axes.helpers import get_cool_off
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.db.models import Sum
from django.utils import timezone

from quazzar.access import addresses

if TYPE_CHECKING:
    from django.http import HttpRequest

#: Failures from one address, whatever the names, after which it is locked. AXES_FAILURE_LIMIT is that for one name.
ADDRESS_LIMIT = 50
#: Days that successful sign-ins are remembered.
LOG_DAYS = 30

_BY_NAME = ["username", "ip_address"]


def parameters(request: HttpRequest, _credentials: Any = None) -> list[str | list[str]]:
    """What failures are counted by. Not by an unknown proxy's address: all its clients would be locked out."""
    return [_BY_NAME] if addresses.behind_unknown_proxy(request) else [_BY_NAME, "ip_address"]


def address(request: HttpRequest) -> str | None:
    """The address to count by. An IPv6 host has 2^64 of them (RFC 4291, 2.5.1), so its network counts."""
    client = addresses.parsed(request.META.get("REMOTE_ADDR", ""))
    if isinstance(client, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((client, 64), strict=False).network_address)
    return str(client) if client else None


class Lockout(AxesDatabaseHandler):  # type: ignore[misc]  # untyped
    """Gives names and addresses different limits: axes has one limit for everything that it counts by."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Failures by name, or failures by address scaled to the limit for names, whichever is more."""
        by_name, *by_address = (
            attempts.aggregate(total=Sum("failures_since_start"))["total"] or 0
            for attempts in self.get_user_attempts(request, credentials)
        )
        return max(by_name, *(n * settings.AXES_FAILURE_LIMIT // ADDRESS_LIMIT for n in by_address), 0)

    def reset_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Forget only the failures of this name, or an operator could guess at other accounts without limit."""
        by_name, *_ = self.filter_user_attempts(request, credentials)
        deleted: int = by_name.delete()[0]
        return deleted


def purge() -> None:
    """Delete failures that no longer count, and old sign-ins."""
    now = timezone.now()
    AccessAttempt.objects.filter(attempt_time__lte=now - get_cool_off()).delete()
    for log in (AccessLog, AccessFailureLog):
        log.objects.filter(attempt_time__lte=now - timedelta(days=LOG_DAYS)).delete()
