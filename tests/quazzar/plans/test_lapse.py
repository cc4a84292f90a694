"""Which warning about the end of a licence is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from quazzar.plans.lapse import State, due_warning, step

END = datetime(2026, 12, 31, 12, tzinfo=UTC)
LATER = END + timedelta(days=365)


def before(**length: float) -> datetime:
    return END - timedelta(**length)


@pytest.mark.parametrize(
    ("left", "due"),
    [
        (timedelta(days=15), None),
        (timedelta(days=14, seconds=1), None),
        (timedelta(days=14), 14),
        (timedelta(days=7, seconds=1), 14),
        (timedelta(days=7), 7),
        (timedelta(days=1, seconds=1), 7),
        (timedelta(days=1), 1),
        (timedelta(seconds=1), 1),
    ],
)
def test_a_warning_is_due_from_its_day_on(left: timedelta, due: int | None) -> None:
    assert due_warning(left) == due


def test_a_licence_that_runs_out_is_news_four_times() -> None:
    state, told = State(True, END), []
    for hours in range(24 * 20, -24, -1):
        now = END - timedelta(hours=hours)
        present = State(True, END) if now < END else State(False)
        state, news = step(state, present, now)
        if news:
            told.append((news, hours))
    assert told == [("ends", 14 * 24), ("ends", 7 * 24), ("ends", 24), ("lapsed", 0)]


def test_a_node_that_was_off_is_told_the_last_warning_only() -> None:
    state, news = step(State(True, END, 14), State(True, END), before(hours=5))
    assert (news, state.warned_days) == ("ends", 1)
    assert step(state, State(True, END), before(hours=4)) == (state, "")


def test_a_new_licence_begins_anew() -> None:
    state, news = step(State(True, END, 1), State(True, LATER), before(hours=5))
    assert (state, news) == (State(True, LATER), "")
    assert step(state, State(True, LATER), LATER - timedelta(days=14))[1] == "ends"


def test_whatever_takes_mail_relay_away_is_a_lapse_once() -> None:
    """Expired, removed, tampered with, or replaced by one for a lower plan."""
    state, news = step(State(True, END), State(False), before(days=100))
    assert (state, news) == (State(False, END), "lapsed")
    assert step(state, State(False), before(days=99)) == (state, "")
    assert step(state, State(True, LATER), before(days=98)) == (State(True, LATER), "back")


def test_a_licence_without_an_end_is_never_near_it() -> None:
    assert step(State(True), State(True), END) == (State(True), "")


def test_one_that_comes_back_with_a_day_left_is_warned_of_at_once() -> None:
    assert step(State(False, END), State(True, LATER), LATER - timedelta(hours=20))[1] == "ends"
