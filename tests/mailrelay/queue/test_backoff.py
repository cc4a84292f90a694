"""When a message is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrelay.queue import backoff

CREATED = datetime(2026, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def wait(
    attempts: int, chance: float = 0.5, age: timedelta = MINUTE, give_up: timedelta = DAY
) -> timedelta | None:
    """How long after this failure the next attempt is."""
    now = CREATED + age
    later = backoff.next_attempt(attempts, CREATED, now, chance, give_up)
    return later - now if later else None


def test_the_waits_double_up_to_two_hours() -> None:
    minutes = [waited / MINUTE for attempts in range(1, 11) if (waited := wait(attempts))]
    assert minutes == [1, 2, 4, 8, 16, 32, 64, 120, 120, 120]


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_every_wait_is_near_its_nominal_length_and_never_shrinks(attempts: int, chance: float) -> None:
    this, nominal, following = wait(attempts, chance), wait(attempts), wait(attempts + 1, chance)
    assert this is not None and nominal is not None and following is not None
    assert nominal * (1 - backoff.JITTER) <= this + timedelta(microseconds=1)
    assert this <= nominal * (1 + backoff.JITTER) + timedelta(microseconds=1)
    assert timedelta(0) < this <= following


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_the_first_attempt_after_a_failure_is_within_five_minutes(chance: float) -> None:
    for attempts in (0, 1):
        first = wait(attempts, chance)
        assert first is not None and timedelta(seconds=30) < first < 5 * MINUTE


def test_a_message_is_given_up_when_it_is_too_old_and_not_before() -> None:
    assert wait(20, age=DAY - MINUTE) is not None
    assert wait(20, age=DAY) is None
    assert wait(1, age=10 * DAY) is not None  # the node was off: it was hardly tried
    assert wait(20, age=timedelta(0), give_up=timedelta(0)) is None


def test_messages_that_failed_together_do_not_come_back_together() -> None:
    assert len({wait(1, number / 1000) for number in range(1000)}) == 1000
