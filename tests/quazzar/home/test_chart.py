"""Numbers per hour as bars: every hour has its place, and every number above zero can be seen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from quazzar.home import chart

NOW = datetime(2026, 11, 29, 12, 34, tzinfo=UTC)
HOUR = datetime(2026, 11, 29, 12, tzinfo=UTC)
HOURS = {
    (HOUR, "sent"): 40,
    (HOUR, "failed"): 1,
    (HOUR, "deferred"): 2,
    (HOUR, "waiting"): 3,
    (HOUR - timedelta(hours=23), "sent"): 9,
    (HOUR - timedelta(hours=24), "sent"): 500,
    (HOUR - timedelta(days=6), "waiting"): 8,
    (HOUR - timedelta(days=7), "sent"): 9000,
}


def test_the_last_24_hours_end_with_this_one() -> None:
    drawn = chart.of_hours(HOURS, NOW)
    assert [drawn.bars[0].bar.label, drawn.bars[-1].bar.label] == ["13:00 UTC", "12:00 UTC"]
    assert (len(drawn.bars), drawn.sent, drawn.failed, drawn.most_waiting) == (24, 49, 1, 3)
    assert drawn.bars[-1].bar.sentence == "12:00 UTC: 40 sent, 1 failed, 2 deferred, 3 waiting at peak"
    assert drawn.summary == "Last 24 hours: 49 messages sent, 1 failed, 3 waiting at peak."


def test_the_last_seven_days_add_up_their_hours_and_take_the_most_that_waited() -> None:
    drawn = chart.of_days(HOURS, NOW)
    assert [bar.label for bar in drawn.ticks] == [
        "Mon 23 Nov", "Tue 24 Nov", "Wed 25 Nov", "Thu 26 Nov", "Fri 27 Nov", "Sat 28 Nov", "Sun 29 Nov",
    ]  # fmt: skip
    assert [bar.bar.sent for bar in drawn.bars][-2:] == [509, 40]
    assert (drawn.bars[0].bar.waiting, drawn.most_waiting) == (8, 8)


def test_an_hour_in_which_nobody_looked_at_the_queue_says_so() -> None:
    bar = chart.of_hours(HOURS, NOW).bars[0]
    assert (bar.bar.waiting, bar.waiting) == (None, None)
    assert bar.bar.sentence.endswith("queue not checked")


def test_bars_stay_within_the_drawing_and_one_failure_among_thousands_can_be_seen() -> None:
    drawn = chart.of_hours({(HOUR, "sent"): 50_000, (HOUR, "failed"): 1, (HOUR, "waiting"): 1}, NOW).bars[-1]
    assert drawn.sent
    assert drawn.failed
    assert drawn.waiting
    assert drawn.failed.height >= 2
    assert drawn.sent.height + drawn.failed.height <= chart.HEIGHT
    assert drawn.failed.y >= 0
    assert drawn.sent.y + drawn.sent.height == chart.HEIGHT
    assert drawn.waiting.y + drawn.waiting.height == chart.HEIGHT + chart.BELOW


def test_nothing_draws_nothing() -> None:
    drawn = chart.of_days({}, NOW)
    assert (drawn.most, drawn.sent, {bar.sent for bar in drawn.bars}) == (0, 0, {None})
