"""When a message that failed for now is tried again. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

#: The wait after the first failure; it doubles with each further one, up to the longest.
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=2)
#: However old a message is, it is tried this often: a node that was off for days has not tried at all.
MIN_ATTEMPTS = 8
#: How far a wait may differ from its nominal length, up and down.
JITTER = 0.2
#: The longest wait that there can be.
LONGEST = LONGEST_WAIT * (1 + JITTER)


def next_attempt(
    attempts: int, created_at: datetime, now: datetime, chance: float, give_up: timedelta
) -> datetime | None:
    """When to try again after ``attempts`` failures; None once the message is older than ``give_up`` and was tried
    ``MIN_ATTEMPTS`` times.

    The waits are 1, 2, 4, 8 … minutes and at most two hours, each ±20 % (``chance``, 0 to 1, picks within that), so
    that a thousand messages that failed together do not come back together.
    """
    if now - created_at >= give_up and attempts >= MIN_ATTEMPTS:
        return None
    doublings = min(max(attempts - 1, 0), 20)
    wait = min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)
    return now + wait * (1 - JITTER + 2 * JITTER * chance)
