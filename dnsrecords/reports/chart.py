"""Bars of mails per day: passed, ours that failed, and from elsewhere, as the dimensions of a drawing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from quazzar import words
from quazzar.home.chart import GAP, HEIGHT, PITCH, Rect

if TYPE_CHECKING:
    from dnsrecords.reports.summary import Day

#: More days than this are drawn as weeks.
_MOST_BARS = 45
_LEAST = 2.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One day or week, and its parts from bottom to top; None for a part of no height."""

    label: str
    day: date
    x: int
    passed: int
    failed: int
    strange: int
    rects: tuple[Rect | None, Rect | None, Rect | None]

    @property
    def sentence(self) -> str:
        """The bar in words."""
        return f"{self.label}: {self.passed:,} passed, {self.failed:,} of yours failed, {self.strange:,} not yours"


@dataclass(frozen=True, slots=True)
class Chart:
    """The columns of the chart, as the template draws them."""

    bars: Sequence[Bar]
    most: int

    @property
    def width(self) -> int:
        """The width of the drawing, without the last gap."""
        return max(len(self.bars), 1) * PITCH - GAP

    @property
    def height(self) -> int:
        """The height of the drawing."""
        return HEIGHT

    @property
    def ticks(self) -> list[Bar]:
        """The bars that are named below the drawing."""
        return list(self.bars)[:: max(1, len(self.bars) // 5)]

    @property
    def summary(self) -> str:
        """The drawing in words."""
        passed, failed, strange = (
            sum(getattr(bar, part) for bar in self.bars) for part in ("passed", "failed", "strange")
        )
        return f"Mails per day: {passed:,} passed, {failed:,} of yours failed, {strange:,} not yours."


def of(days: Sequence[Day]) -> Chart:
    """The drawing of these days."""
    size = 1 if len(days) <= _MOST_BARS else 7
    # Whole weeks, up to the last day.
    groups = [days[max(end - size, 0) : end] for end in range(len(days), 0, -size)][::-1]
    sums = [
        (
            sum(day.passed for day in group),
            sum(day.failed for day in group),
            sum(day.strange for day in group),
        )
        for group in groups
    ]
    most = max(map(sum, sums), default=0)
    return Chart(
        [
            _bar(group[0].day, size, number * PITCH, parts, most)
            for number, (group, parts) in enumerate(zip(groups, sums, strict=True))
        ],
        most,
    )


def _bar(day: date, size: int, x: int, parts: tuple[int, int, int], most: int) -> Bar:
    rects: list[Rect | None] = []
    top = float(HEIGHT)
    for number in parts:
        height = min(round(max(number / most * HEIGHT, _LEAST), 1), top) if number else 0.0
        top -= height
        rects.append(Rect(x, round(top, 1), height) if height else None)
    label = words.short_day(day) if size == 1 else f"Week from {words.short_day(day)}"
    return Bar(label, day, x, *parts, rects=(rects[0], rects[1], rects[2]))
