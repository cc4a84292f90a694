"""Bars of sent, failed and waiting mail: turns numbers per hour into the dimensions of a drawing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from quazzar import words
from quazzar.home.registry import Hours

#: Dimensions of the drawing: a bar with its gap, the bars of sent and failed, and those of waiting below them.
PITCH, GAP = 12, 3
HEIGHT, BELOW = 80, 26
#: The least height of a bar that is not zero, so that it can be seen.
_LEAST = 2.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour or day.

    Attributes:
        waiting: the most messages that waited at one time; None: nobody looked.
    """

    begins: datetime
    label: str
    sent: int
    failed: int
    deferred: int
    waiting: int | None

    @property
    def tick(self) -> str:
        """The label below the drawing: an hour, or a day's name."""
        return self.label.partition(" ")[0]

    @property
    def sentence(self) -> str:
        """The bar in words."""
        numbers = [f"{self.sent} sent", f"{self.failed} failed"]
        if self.deferred:
            numbers.append(f"{self.deferred} deferred")
        numbers.append("queue not checked" if self.waiting is None else f"{self.waiting} waiting at peak")
        return f"{self.label}: {', '.join(numbers)}"


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle of the drawing."""

    x: float
    y: float
    height: float
    width: float = PITCH - GAP


@dataclass(frozen=True, slots=True)
class Drawn:
    """A bar and its rectangles; None for one of no height."""

    bar: Bar
    x: int
    sent: Rect | None
    failed: Rect | None
    waiting: Rect | None


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing of bars.

    Attributes:
        most: the highest bar, and ``most_waiting`` that of the queue.
    """

    title: str
    bars: Sequence[Drawn]
    most: int
    most_waiting: int
    ticks_every: int = 1

    @property
    def ticks(self) -> list[Bar]:
        """The bars that are named below the drawing."""
        return [drawn.bar for drawn in self.bars][:: self.ticks_every]

    @property
    def width(self) -> int:
        """The width of the drawing, without the last gap."""
        return len(self.bars) * PITCH - GAP

    @property
    def height(self) -> int:
        """The height of the drawing."""
        return HEIGHT + BELOW

    @property
    def sent(self) -> int:
        """How many messages were sent in all."""
        return sum(drawn.bar.sent for drawn in self.bars)

    @property
    def failed(self) -> int:
        """How many messages failed in all."""
        return sum(drawn.bar.failed for drawn in self.bars)

    @property
    def deferred(self) -> int:
        """How many attempts failed for now."""
        return sum(drawn.bar.deferred for drawn in self.bars)

    @property
    def summary(self) -> str:
        """The drawing in words."""
        return (
            f"{self.title}: {words.count(self.sent, 'message')} sent, {self.failed} failed, "
            f"{self.most_waiting} waiting at peak."
        )


def of_hours(hours: Hours, now: datetime) -> Chart:
    """The last 24 hours."""
    this = now.replace(minute=0, second=0, microsecond=0)
    begins = [this - timedelta(hours=ago) for ago in range(23, -1, -1)]
    return _chart("Last 24 hours", _bars(hours, begins, timedelta(hours=1), "%H:%M UTC"), ticks_every=6)


def of_days(hours: Hours, now: datetime) -> Chart:
    """The last seven days."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    begins = [today - timedelta(days=ago) for ago in range(6, -1, -1)]
    return _chart("Last 7 days", _bars(hours, begins, timedelta(days=1), "%a %d %b"))


def _bars(hours: Hours, begins: Sequence[datetime], length: timedelta, label: str) -> list[Bar]:
    gathered: dict[datetime, dict[str, int]] = {at: {} for at in begins}
    for (hour, outcome), number in hours.items():
        at = begins[0] + (hour - begins[0]) // length * length
        if at in gathered:
            known = gathered[at].get(outcome, 0)
            gathered[at][outcome] = max(known, number) if outcome == "waiting" else known + number
    return [
        Bar(
            at,
            f"{at:{label}}",
            numbers.get("sent", 0),
            numbers.get("failed", 0),
            numbers.get("deferred", 0),
            numbers.get("waiting"),
        )
        for at, numbers in gathered.items()
    ]


def _chart(title: str, bars: Sequence[Bar], ticks_every: int = 1) -> Chart:
    most = max(bar.sent + bar.failed for bar in bars)
    most_waiting = max(bar.waiting or 0 for bar in bars)
    drawn = [_drawn(bar, number * PITCH, most, most_waiting) for number, bar in enumerate(bars)]
    return Chart(title, drawn, most, most_waiting, ticks_every)


def _drawn(bar: Bar, x: int, most: int, most_waiting: int) -> Drawn:
    failed = _length(bar.failed, most, HEIGHT)
    sent = min(_length(bar.sent, most, HEIGHT), HEIGHT - failed)
    waiting = _length(bar.waiting or 0, most_waiting, BELOW - 6)
    return Drawn(
        bar,
        x,
        Rect(x, HEIGHT - sent, sent) if sent else None,
        Rect(x, HEIGHT - sent - failed, failed) if failed else None,
        Rect(x, HEIGHT + BELOW - waiting, waiting) if waiting else None,
    )


def _length(number: int, most: int, longest: int) -> float:
    return round(max(number / most * longest, _LEAST), 1) if number else 0.0
