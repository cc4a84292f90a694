"""When a message is tried again, and when it is given up. Pure; the random part is passed in."""

from __future__ import annotations

from datetime import datetime, timedelta

FIRST = timedelta(minutes=1)
LONGEST = timedelta(hours=2)
#: However old a message is, it is tried this often: a node that was off for days has not tried at all.
MIN_ATTEMPTS = 8
#: How far the wait may differ from its nominal length, up and down.
JITTER = 0.2


def next_attempt(attempts: int, created_at: datetime, now: datetime, chance: float, give_up: timedelta
) -> datetime | None:  # fmt: skip
    """The next time after ``attempts`` failures, or None when the message is older than ``give_up`` and was
    tried ``MIN_ATTEMPTS`` times.

    1, 2, 4, 8 … minutes, two hours at most, each ±20 % (``chance`` in 0…1) so that a thousand messages that
    failed together do not come back together.
    """
    if now - created_at >= give_up and attempts >= MIN_ATTEMPTS:
        return None
    doublings = min(max(attempts - 1, 0), 20)
    wait = min(FIRST * (1 << doublings), LONGEST)
    return now + wait * (1 - JITTER + 2 * JITTER * chance)
