"""How often one key or user may ask, counted in the cache that all processes share."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from django.core.cache import cache
from redis.exceptions import RedisError
from rest_framework.throttling import SimpleRateThrottle

from quazzar.api.gate.authentication import principal

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)

#: Seconds during which a failed cache is not used: each attempt may cost a time-out.
_RESPITE = 10
_COMPLAIN_EVERY = 60


class _Outage:
    """Since when the cache is not used, and when that was last logged."""

    def __init__(self) -> None:
        self.until = 0.0
        self.said_at = float("-inf")

    def begin(self, now: float, reason: str) -> None:
        self.until = now + _RESPITE
        if now - self.said_at >= _COMPLAIN_EVERY:
            self.said_at = now
            logger.warning(
                "the cache does not answer (%s): API requests are not counted until it does", reason
            )


outage = _Outage()


class PrincipalThrottle(SimpleRateThrottle):
    """A fixed window per key or user: one counter, whatever the rate. Without a cache nobody is refused."""

    scope = "principal"
    num_requests: int
    duration: int

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Whether the window has room."""
        if not self.rate or not request.user.is_authenticated or time.monotonic() < outage.until:
            return True
        try:
            return self._count(principal(request)) <= self.num_requests
        except (RedisError, OSError) as exc:
            outage.begin(time.monotonic(), type(exc).__name__)
            return True

    def wait(self) -> float | None:
        """Seconds until the next window."""
        return float(self.duration - time.time() % self.duration)

    def _count(self, who: str) -> int:
        # DRF's own list of times would weigh 50 kB per request at our rate.
        key = f"throttle:{who}:{int(time.time() // self.duration)}"
        try:
            return cache.incr(key)
        except ValueError:  # first of its window, unless another thread was faster
            return 1 if cache.add(key, 1, timeout=2 * self.duration) else cache.incr(key)
