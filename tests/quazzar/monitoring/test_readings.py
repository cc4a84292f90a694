"""What is shown of the stored findings: to whom, in which order, and as unknown once they are out of date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from quazzar.models import Finding as Row
from quazzar.models import Heartbeat
from quazzar.monitoring import doctor, nodechecks, readings
from quazzar.monitoring.doctor import Area, Check, Level, failed, ok
from quazzar.rights import LOOK_AROUND, SEE_RELAY, Right

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def none_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_registered", {})


def found(
    name: str, level: str = "ok", at: datetime = NOW, right: Right = LOOK_AROUND, area: Area = Area.NODE
) -> Row:
    doctor.register(name, lambda: failed("not run"), right=right, area=area)
    return Row.objects.create(check_name=name, level=level, sentence="Seen.", since=NOW, checked_at=at)


def row(level: str, age: timedelta) -> Row:
    return Row(level=level, sentence="9 GiB free.", since=NOW - 60 * MINUTE, checked_at=NOW - age)


@pytest.mark.parametrize(
    ("level", "every", "age", "shown", "is_old"),
    [
        ("ok", 20, 119, "ok", False),
        ("ok", 20, 121, "unknown", True),
        ("ok", 300, 800, "ok", False),
        ("ok", 300, 1000, "unknown", True),
        ("failed", 20, 121, "failed", True),
        ("failed", 300, 800, "failed", True),  # wrong findings are checked each minute
        ("warning", 20, 40, "warning", False),
    ],
)
def test_nothing_is_shown_as_well_that_nobody_has_checked_lately(
    level: str, every: int, age: int, shown: str, is_old: bool
) -> None:
    check = Check("disk", lambda: ok("x"), every=timedelta(seconds=every))
    reading = readings.judge(check, row(level, timedelta(seconds=age)), NOW)
    assert (reading.level, reading.is_old) == (shown, is_old)


def test_what_is_not_known_says_since_when_and_what_it_was() -> None:
    check = Check("disk", lambda: ok("x"))
    reading = readings.judge(check, row("ok", 5 * MINUTE), NOW)
    assert reading.finding.sentence == "Not checked for 5 min. Last result: 9 GiB free."
    assert readings.judge(check, None, NOW).finding.sentence == "Not checked yet."


def test_a_dead_worker_is_seen_and_leaves_nothing_green_although_only_it_stores_findings() -> None:
    doctor.register("worker", nodechecks.worker, is_live=True)
    doctor.register("system checks", lambda: ok("x"), every=60 * MINUTE)
    Row.objects.create(
        check_name="system checks",
        level="ok",
        sentence="Fine.",
        since=NOW,
        checked_at=datetime.now(UTC) - MINUTE,
    )
    Row.objects.create(
        check_name="worker", level="ok", sentence="Alive.", since=NOW, checked_at=datetime.now(UTC)
    )
    silent = datetime.now(UTC) - 3 * MINUTE
    beat = Heartbeat.objects.create(name="worker", at=silent)
    worker, other = readings.read()
    assert (worker.level, worker.since) == (Level.FAILED, silent)
    assert (other.level, other.finding.sentence) == (
        Level.UNKNOWN,
        "Not checked for 1 min. Last result: Fine.",
    )
    beat.at = datetime.now(UTC)
    beat.save()
    assert {reading.level for reading in readings.read()} == {Level.OK}


def test_the_worst_comes_first_and_rows_without_a_check_are_not_shown() -> None:
    for name, level in {"a": "ok", "b": "warning", "c": "failed", "d": "ok", "e": "failed"}.items():
        found(name, level)
    found("f", at=NOW - 9 * MINUTE)
    doctor._registered.pop("e")
    assert [reading.name for reading in readings.read(now=NOW)] == ["c", "b", "f", "a", "d"]


def test_an_operator_sees_only_what_the_role_allows(operator: User, other_staff: User) -> None:
    found("relay", "failed", right=SEE_RELAY)
    found("disk")
    assert [reading.name for reading in readings.read(operator, NOW)] == ["relay", "disk"]
    assert [reading.name for reading in readings.read(other_staff, NOW)] == ["disk"]


def test_the_worst_of_an_area_or_of_all() -> None:
    found("relay", "warning", area=Area.RELAY)
    found("dns", area=Area.DNS)
    everything = readings.read(now=NOW)
    assert [
        reading.name if reading else None
        for reading in (
            readings.worst(everything),
            readings.worst(everything, Area.DNS),
            readings.worst(everything, Area.QUEUE),
        )
    ] == ["relay", "dns", None]


@pytest.mark.slow
def test_the_metrics_are_of_the_same_findings(client: Client) -> None:
    now = datetime.now(UTC)
    for name, level in {"a": "ok", "b": "warning", "c": "failed"}.items():
        found(name, level, now)
    found("d", at=now - 9 * MINUTE)
    text = client.get("/metrics").content.decode()
    values = {name: f'quazzar_doctor{{check="{name}"}} {value}.0' for value, name in enumerate("abcd")}
    assert all(value in text for value in values.values())
