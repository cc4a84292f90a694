"""Machines report what they are like; the doctor tells which differ, are ill or have fallen silent."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from quazzar.machines import comparing, reporting
from quazzar.models import Process
from quazzar.monitoring import doctor, findings, nodechecks
from quazzar.monitoring.doctor import Level

pytestmark = pytest.mark.django_db


def reported(machine: str, role: str = "web", *, ago: int = 0, **fields: Any) -> Process:
    """A row of a process that reported so many seconds ago."""
    usual: dict[str, Any] = {"version": "1.0", "secret_key": "s", "licence": "Orbit Pro"}
    at = timezone.now() - timedelta(seconds=ago)
    return Process.objects.create(machine=machine, role=role, at=at, **{**usual, **fields})


def test_without_reports_there_is_one_machine() -> None:
    assert comparing.check().sentence == "One machine."


def test_machines_that_are_alike_are_counted() -> None:
    for machine, role in (("a", "web"), ("b", "web"), ("b", "worker")):
        reported(machine, role)
    found = comparing.check()
    assert found.level is Level.OK
    assert found.sentence == "2 machines (2 web, 1 worker), with the same keys and version."


@pytest.mark.parametrize(
    ("field", "level", "sentence"),
    [
        ("secret_key", Level.FAILED, "The SECRET_KEY of b differs from that of the other machines"),
        ("licence", Level.WARNING, "The licence of b differs"),
        ("version", Level.WARNING, "b: another version of Quazzar"),
    ],
)
def test_the_machine_that_differs_from_the_others_is_named(field: str, level: Level, sentence: str) -> None:
    reported("a")
    other: dict[str, Any] = {field: "other"}
    reported("b", **other)
    reported("c")
    found = comparing.check()
    assert found.level is level
    assert sentence in found.sentence
    rows = list(Process.objects.all())
    assert [one.sentence for one in comparing.about("b", rows, timezone.now())] == [found.sentence]
    assert comparing.about("a", rows, timezone.now()) == []


def test_of_two_that_differ_the_newer_one_is_named() -> None:
    reported("new", secret_key="other", started_at=timezone.now())
    reported("old", started_at=timezone.now() - timedelta(days=1))
    assert "SECRET_KEY of new " in comparing.check().sentence


def test_a_problem_of_a_machine_is_told_with_its_name_and_once() -> None:
    full = [["failed", "5 MiB free for /data.", "Free some space."]]
    for role in ("web", "worker"):
        reported("a", role, problems=full)
    found = comparing.check()
    assert (found.level, found.sentence, found.advice) == (
        Level.FAILED,
        "a: 5 MiB free for /data.",
        "Free some space.",
    )


def test_a_machine_that_has_fallen_silent_is_named_and_its_last_report_no_longer_counts() -> None:
    reported("a")
    reported("b", ago=120, secret_key="other")
    found = comparing.check()
    assert found.level is Level.WARNING
    assert found.sentence.startswith("The web on b last reported 2 min")


def test_one_that_was_taken_away_is_forgotten() -> None:
    reported("a")
    reported("b", ago=7200)
    assert comparing.check().sentence.startswith("1 machine ")
    comparing.purge()
    assert [row.machine for row in Process.objects.all()] == ["a"]


def test_what_is_worst_is_told_first_with_the_number_of_the_rest() -> None:
    reported("a")
    reported("b", licence="none", secret_key="other")
    reported("c")
    found = comparing.check()
    assert found.sentence.startswith("The SECRET_KEY of b")
    assert found.sentence.endswith("(1 more)")


def test_a_process_describes_its_machine_without_telling_a_secret(settings: Any) -> None:
    settings.SECRET_KEY = "a-secret-that-nobody-may-read"
    one, same = reporting.describe("web"), reporting.describe("web")
    settings.SECRET_KEY = "another-one"
    other = reporting.describe("web")
    assert one.secret_key == same.secret_key != other.secret_key
    assert "nobody-may-read" not in f"{one.__dict__}"
    assert one.licence.startswith("Orbit Pro until 2")
    assert one.machine == reporting.machine()


def test_of_several_machines_one_stores_what_its_own_checks_find(monkeypatch: pytest.MonkeyPatch) -> None:
    both = [check for check in doctor.registered() if check.name in ("disk", "machines")]
    monkeypatch.setattr(doctor, "registered", lambda: both)
    monkeypatch.setattr(doctor, "stores_local", lambda: False)
    assert findings.look() == ["machines"]
    monkeypatch.setattr(doctor, "stores_local", lambda: True)
    # The other one has nothing to check, so it is looked at each time.
    assert findings.look() == ["disk", "machines"]


def test_the_first_machine_with_a_worker_that_reports_is_the_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shared:
        vendor = "postgresql"

    monkeypatch.setattr(reporting, "connection", Shared)
    monkeypatch.setattr(reporting, "machine", lambda: "b")
    assert reporting.is_first()
    reported("a", "web")
    reported("a", "worker", ago=300)
    reported("b", "worker")
    reported("c", "worker")
    assert reporting.is_first()
    Process.objects.filter(machine="a", role="worker").update(at=timezone.now())
    assert not reporting.is_first()


def test_a_machine_without_a_web_process_needs_no_static_files(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STATIC_ROOT = tmp_path
    monkeypatch.setenv("QUAZZAR_ROLES", "worker beat")
    assert nodechecks.static_files().level is Level.OK
    monkeypatch.setenv("QUAZZAR_ROLES", "web")
    assert nodechecks.static_files().level is Level.FAILED


def test_a_process_reports_and_takes_its_row_away(caplog: pytest.LogCaptureFixture) -> None:
    reported("other", secret_key="other", started_at=timezone.now() - timedelta(days=1))
    reporting._logged.clear()
    with caplog.at_level("ERROR"):
        for _ in range(2):
            reporting.report("worker", timezone.now())
    assert Process.objects.filter(machine=reporting.machine(), role="worker").count() == 1
    said = [record.getMessage() for record in caplog.records if record.name == reporting.logger.name]
    assert len([line for line in said if "SECRET_KEY" in line]) == 1
