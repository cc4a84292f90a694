"""The state of each area of the node, from what the doctor's checks found. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from quazzar.home.registry import Fact, Link, Part, Tile
from quazzar.monitoring.doctor import Area, Level
from quazzar.monitoring.readings import Reading, worst, worst_first


class State(StrEnum):
    """The state of an area."""

    WORKS = "works"
    ATTENTION = "attention"
    FAILING = "failing"
    UNKNOWN = "unknown"
    OFF = "off"


#: State → word, icon and tone.
SHOWN = {
    State.WORKS: ("Works", "check_circle", "ok"),
    State.ATTENTION: ("Needs attention", "warning", "wait"),
    State.FAILING: ("Failing", "error", "bad"),
    State.UNKNOWN: ("Not checked", "help", "off"),
    State.OFF: ("Not set up", "radio_button_unchecked", "off"),
}
_STATES = {
    Level.OK: State.WORKS,
    Level.WARNING: State.ATTENTION,
    Level.FAILED: State.FAILING,
    Level.UNKNOWN: State.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Status:
    """A tile with its state.

    Attributes:
        part: the name of the worst check while it does not pass, if it is about a part of the area.
        sentence: what the worst check found; empty while all is well, because the facts show it.
        advice: what to do about it.
        since: since when it has had this state.
        link: the next step.
        others: the names of the area's other checks that need attention.
    """

    tile: Tile
    state: State
    sentence: str = ""
    advice: str = ""
    since: datetime | None = None
    link: Link | None = None
    others: tuple[str, ...] = ()
    part: str = ""

    @property
    def word(self) -> str:
        """The state in a word."""
        return SHOWN[self.state][0]

    @property
    def icon(self) -> str:
        """The name of a Material symbol for the state."""
        return SHOWN[self.state][1]

    @property
    def tone(self) -> str:
        """The state as a suffix of CSS classes: how the tile is coloured."""
        return SHOWN[self.state][2]


def judge(tile: Tile, readings: Sequence[Reading]) -> Status:
    """The tile with the state of its area: that of the worst of its checks."""
    found = worst(readings, tile.area)
    is_wrong = found is not None and found.level in (Level.FAILED, Level.WARNING)
    if tile.off and not (is_wrong and found is not None and found.level is Level.FAILED):
        return Status(tile, State.OFF, tile.off, link=tile.link)
    if found is None:  # the operator may see none of its checks; numbers are shown as they are
        if tile.facts:
            return Status(tile, State.WORKS, link=tile.link)
        return Status(tile, State.UNKNOWN, "Not checked yet.", link=tile.link)
    others = tuple(
        each.check.heading
        for each in worst_first(readings)
        if each.check.area == tile.area and each is not found and each.level in (Level.FAILED, Level.WARNING)
    )
    link = tile.link
    if is_wrong:
        link = (
            Link(f"Go to {found.check.heading}", found.check.page)
            if found.check.page
            else Link("Open Doctor", "admin:doctor")
        )
    # Facts show that the area is in use, although none of its checks is about that part of it.
    if found.finding.is_idle and not tile.facts:
        return Status(tile, State.OFF, found.finding.sentence, link=link)
    checked = sum(each.check.area == tile.area and not each.finding.is_idle for each in readings)
    is_fine = found.level is Level.OK and checked > 1
    return Status(
        tile,
        _STATES[found.level],
        f"All {checked} checks pass." if is_fine else found.finding.sentence,
        found.finding.advice,
        found.since,
        link,
        others,
        found.check.heading if is_wrong and not found.check.heading.startswith(tile.title) else "",
    )


def every(parts: Sequence[Part], readings: Sequence[Reading]) -> list[Status]:
    """The tiles of all apps, in the order of the areas."""
    order = list(Area)
    tiles = sorted((tile for part in parts for tile in part.tiles), key=lambda tile: order.index(tile.area))
    further = [fact for part in parts for fact in part.facts]
    return [judge(_with(tile, further), readings) for tile in tiles]


def _with(tile: Tile, further: Iterable[tuple[Area, Fact]]) -> Tile:
    """The tile with the facts that other apps have about its area after its own."""
    more = (fact for area, fact in further if area == tile.area)
    return replace(tile, facts=(*tile.facts, *more)) if tile.facts else tile
