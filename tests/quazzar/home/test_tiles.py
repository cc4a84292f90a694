"""The state of an area: from what the doctor's checks found, and never green for something that was not checked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from quazzar.home import tiles
from quazzar.home.registry import Fact, Link, Part, Tile
from quazzar.models import Finding as Row
from quazzar.monitoring import doctor, readings
from quazzar.monitoring.doctor import Area, Check, Level
from quazzar.monitoring.readings import Reading

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
DNS = Tile(Area.DNS, "DNS", "language", Link("Open DNS records", "admin:dns_overview"))
USED = replace(DNS, facts=(Fact("Domains", "3"),))
OFF = Tile(
    Area.DNS, "DNS", "language", Link("Add a domain", "admin:mail_boxes_domains"), off="No domain yet."
)


def reading(
    level: Level,
    name: str = "dns",
    page: str = "admin:dns_overview",
    area: Area = Area.DNS,
    *,
    is_idle: bool = False,
) -> Reading:
    check = Check(name, lambda: doctor.ok(""), area=area, page=page)
    return Reading(
        check, doctor.Finding(level, f"{name} is {level}.", "Do this.", is_idle=is_idle), since=NOON
    )


#: Tile, readings → state, sentence, where to go on.
CASES: list[tuple[Tile, list[Reading], tuple[str, str, str]]] = [
    (DNS, [reading(Level.OK)], ("works", "dns is ok.", "admin:dns_overview")),
    (DNS, [reading(Level.WARNING)], ("attention", "dns is warning.", "admin:dns_overview")),
    (DNS, [reading(Level.UNKNOWN)], ("unknown", "dns is unknown.", "admin:dns_overview")),
    (DNS, [], ("unknown", "Not checked yet.", "admin:dns_overview")),
    # An operator may see the numbers, and none of the checks.
    (USED, [], ("works", "", "admin:dns_overview")),
    # The worst of the area counts, and no other area's.
    (
        DNS,
        [reading(Level.OK), reading(Level.FAILED, "zone", "admin:x")],
        ("failing", "zone is failed.", "admin:x"),
    ),
    (
        DNS,
        [reading(Level.OK), reading(Level.FAILED, area=Area.RELAY)],
        ("works", "dns is ok.", "admin:dns_overview"),
    ),
    # A check that has nothing to check is neither counted nor shown as works.
    (
        DNS,
        [reading(Level.OK, "a", is_idle=True), reading(Level.OK, "b"), reading(Level.OK, "c")],
        ("works", "All 2 checks pass.", "admin:dns_overview"),
    ),
    (
        DNS,
        [reading(Level.OK, "a", is_idle=True), reading(Level.OK, "b")],
        ("works", "b is ok.", "admin:dns_overview"),
    ),
    (DNS, [reading(Level.OK, is_idle=True)], ("off", "dns is ok.", "admin:dns_overview")),
    (USED, [reading(Level.OK, is_idle=True)], ("works", "dns is ok.", "admin:dns_overview")),
    # A check without a page leads to Doctor.
    (DNS, [reading(Level.FAILED, page="")], ("failing", "dns is failed.", "admin:doctor")),
    # An area that is not set up is not a failure; a failing check is shown anyway.
    (OFF, [reading(Level.WARNING)], ("off", "No domain yet.", "admin:mail_boxes_domains")),
    (OFF, [reading(Level.FAILED)], ("failing", "dns is failed.", "admin:dns_overview")),
]


def test_an_area_is_as_the_worst_of_its_checks(subtests: pytest.Subtests) -> None:
    for tile, found, (state, sentence, page) in CASES:
        with subtests.test(state=state, sentence=sentence):
            status = tiles.judge(tile, found)
            assert (status.state, status.sentence) == (state, sentence)
            assert status.link is not None
            assert status.link.page == page


def test_further_checks_that_are_not_well_are_named_the_worst_first() -> None:
    found = [
        reading(Level.WARNING, "b"),
        reading(Level.FAILED, "a"),
        reading(Level.OK, "c"),
        reading(Level.FAILED, "d"),
        reading(Level.FAILED, "e", area=Area.RELAY),
    ]
    assert tiles.judge(DNS, found).others == ("D", "B")
    assert tiles.judge(DNS, [reading(Level.OK)]).others == ()


def test_what_is_wrong_with_a_part_of_the_area_is_named() -> None:
    whole, part = reading(Level.OK, "DNS"), reading(Level.FAILED, "zone")
    assert tiles.judge(DNS, [whole, part]).part == "Zone"
    assert tiles.judge(DNS, [whole, reading(Level.OK, "zone")]).part == ""
    assert tiles.judge(DNS, [reading(Level.FAILED, "DNS records")]).part == ""


def test_a_tile_has_the_facts_of_other_apps_after_its_own() -> None:
    tile = replace(DNS, facts=(Fact("Domains", "3"), Fact("Checked", at=NOON)))
    listed = Fact("On blocklists", "1")
    parts = [Part((tile,)), Part(facts=((Area.DNS, listed), (Area.RELAY, Fact("Through", "a relay"))))]
    (status,) = tiles.every(parts, [reading(Level.OK)])
    assert [fact.name for fact in status.tile.facts] == ["Domains", "Checked", "On blocklists"]


def test_what_was_well_when_somebody_last_looked_is_not_shown_as_well() -> None:
    check = Check("dns", lambda: doctor.ok(""), area=Area.DNS)
    row = Row(check_name="dns", level="ok", sentence="All right.", since=NOON, checked_at=NOON)
    states = [
        tiles.judge(DNS, [readings.judge(check, row, NOON + timedelta(minutes=minutes))]).state
        for minutes in (0, 10)
    ]
    assert states == ["works", "unknown"]


def test_every_state_has_a_word_and_an_icon_of_its_own() -> None:
    words, icons, _ = zip(*(tiles.SHOWN[state] for state in tiles.State), strict=True)
    assert len(set(words)) == len(set(icons)) == len(tiles.State)
