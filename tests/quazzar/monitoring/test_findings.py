"""Findings as they are stored: which checks run when, since when they have their level, and the history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from quazzar.models import Finding as Row
from quazzar.models import FindingChange
from quazzar.monitoring import doctor, findings
from quazzar.monitoring.doctor import Area, Finding, failed, ok, warning
from quazzar.rights import SEE_DNS

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
SOON, HOUR = timedelta(seconds=20), timedelta(hours=1)


@pytest.fixture
def look(db: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Row]:
    """``look(finding, later=…)``: the stored row of the one check, after it found this so much later."""
    monkeypatch.setattr(doctor, "_registered", {})
    clock = [NOW]

    def look(finding: Finding, later: timedelta = SOON) -> Row:
        clock[0] += later
        doctor.register(
            "dns", lambda: finding, area=Area.DNS, page="admin:dns_overview", right=SEE_DNS, every=HOUR
        )
        assert findings.look({"dns"}, clock[0]) == ["dns"]
        return Row.objects.get()

    return look


def test_a_finding_is_stored_with_all_that_pages_need(look: Callable[..., Row]) -> None:
    row = look(failed("Gone.", "Put it back."), timedelta())
    assert (row.check_name, row.area, row.level, row.page) == ("dns", "dns", "failed", "admin:dns_overview")
    assert (row.sentence, row.advice) == ("Gone.", "Put it back.")
    assert (row.since, row.checked_at) == (NOW, NOW)


def test_since_when_is_kept_until_it_is_well_or_ill_again(look: Callable[..., Row]) -> None:
    first = look(warning("Low.")).since
    assert look(failed("Gone.")).since == first
    well = look(ok("Here."))
    assert well.since == well.checked_at == first + 2 * SOON
    assert look(ok("Still here.")).since == well.since


def test_a_check_that_knows_since_when_is_believed_but_not_about_the_future(look: Callable[..., Row]) -> None:
    assert look(failed("Expired.", since=NOW - HOUR)).since == NOW - HOUR
    row = look(failed("Expired.", since=NOW + HOUR))
    assert row.since == row.checked_at


def test_nothing_to_check_is_ok_and_a_change_once_there_is_something(look: Callable[..., Row]) -> None:
    row = look(doctor.idle("No backup was made yet."))
    assert (row.level, row.is_idle) == ("ok", True)
    assert look(ok("The last backup was made today.")).is_idle is False
    assert [change.is_idle for change in FindingChange.objects.order_by("id")] == [True, False]


def test_the_history_has_what_was_new_and_not_each_look(look: Callable[..., Row]) -> None:
    for finding in (
        ok("9 GiB free."), ok("8 GiB free."), warning("900 MiB free."), warning("812 MiB free."),
        warning("Read-only."), failed("Read-only."), ok("9 GiB free."), ok("Renamed."),
    ):  # fmt: skip
        look(finding)
    changes = FindingChange.objects.order_by("id").values_list("level", "sentence")
    assert list(changes) == [
        ("ok", "9 GiB free."),
        ("warning", "900 MiB free."),
        ("warning", "Read-only."),
        ("failed", "Read-only."),
        ("ok", "9 GiB free."),
    ]


def test_a_look_that_began_earlier_does_not_undo_a_later_one(look: Callable[..., Row]) -> None:
    look(ok("Mended."))
    assert look(failed("Gone."), -timedelta(minutes=1)).sentence == "Mended."


@pytest.mark.parametrize(
    ("level", "age", "due"),
    [
        (None, 0, True),
        ("ok", 60, False),
        ("ok", 3596, True),
        ("warning", 54, False),
        ("warning", 56, True),
        ("failed", 56, True),
        ("ok", -60, True),  # the clock was set back
    ],
)
def test_a_check_runs_in_its_time_and_each_minute_while_it_is_not_well(
    level: str | None, age: int, due: bool
) -> None:
    check = doctor.Check("dns", lambda: ok("x"), every=HOUR)
    row = Row(level=level, checked_at=NOW - timedelta(seconds=age)) if level else None
    assert findings.is_due(check, row, NOW) is due


def test_a_check_with_nothing_to_check_runs_each_time_because_that_may_have_changed() -> None:
    check = doctor.Check("dns", lambda: ok("x"), every=HOUR)
    row = Row(level="ok", is_idle=True, checked_at=NOW)
    assert findings.is_due(check, row, NOW + timedelta(seconds=1))


def test_only_checks_that_are_due_run_and_those_that_are_gone_are_forgotten(
    look: Callable[..., Row],
) -> None:
    look(ok("x"))
    doctor.register("disk", lambda: ok("Fine."))
    assert findings.look(now=NOW + 2 * SOON) == ["disk"]
    assert findings.look(now=NOW + 2 * HOUR) == ["dns", "disk"]
    doctor._registered.pop("dns")
    findings.look(now=NOW + 2 * HOUR + SOON)
    assert set(Row.objects.values_list("check_name", flat=True)) == {"disk"}
    assert set(FindingChange.objects.values_list("check_name", flat=True)) == {"disk"}


@pytest.mark.slow
def test_a_look_at_many_checks_takes_few_queries(
    monkeypatch: pytest.MonkeyPatch, db: None, django_assert_max_num_queries: Callable[..., object]
) -> None:
    monkeypatch.setattr(doctor, "_registered", {})
    for number in range(30):
        doctor.register(f"check {number}", lambda: ok("Fine."))
    findings.look(now=NOW)
    with django_assert_max_num_queries(5):  # type: ignore[attr-defined]
        findings.look(now=NOW + SOON)
    assert set(Row.objects.values_list("checked_at", flat=True)) == {NOW + SOON}


def test_old_changes_are_deleted_but_the_latest(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "KEPT_OF_EACH", 3)
    for name in ("dns", "disk"):
        Row.objects.create(check_name=name, level="ok", since=NOW, checked_at=NOW)
    for _ in range(5):
        FindingChange.objects.create(check_name="dns", level="ok", sentence="x", at=datetime.now(UTC))
    for _ in range(2):
        FindingChange.objects.create(check_name="disk", level="ok", sentence="x", at=NOW - 400 * 24 * HOUR)
    assert findings.purge() == 3
    assert FindingChange.objects.filter(check_name="dns").count() == 3
    assert FindingChange.objects.filter(check_name="disk").count() == 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_an_upgrade_keeps_what_was_found_and_mailed() -> None:
    def migrate(*targets: tuple[str, str]) -> MigrationExecutor:
        executor = MigrationExecutor(connection)
        executor.migrate(list(targets))
        return MigrationExecutor(connection)

    leaves = MigrationExecutor(connection).loader.graph.leaf_nodes()
    try:
        executor = migrate(("mailrelay", "0007_expected_reports"))
        apps = executor.loader.project_state([("mailrelay", "0007_expected_reports")]).apps
        values = {"level": "failed", "sentence": "Full.", "advice": "Make room.", "since": NOW}
        apps.get_model("mailrelay", "NodeFinding").objects.create(
            check_name="disk", told_at=NOW + HOUR, told_of="failed: Full.", **values
        )
        migrate(*leaves)
        row = Row.objects.get()
        assert {name: getattr(row, name) for name in values} == values
        assert (row.check_name, row.told_at, row.told_of) == ("disk", NOW + HOUR, "failed: Full.")
    finally:
        migrate(*leaves)
