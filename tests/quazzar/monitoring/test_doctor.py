"""`manage.py doctor`: each check, passing and failing, and the exit code."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import checks as system_checks
from django.core.checks.registry import registry
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from quazzar.errors import KeyFileError
from quazzar.models import Finding as Row
from quazzar.models import Heartbeat
from quazzar.monitoring import clock, doctor, nodechecks
from quazzar.monitoring.doctor import Check, Finding, Level, examine, failed, ok, warning
from quazzar.plans import licenses
from quazzar.sealing import keyring, rotation
from quazzar.sealing.columns import SealedColumn
from tests.conftest import signed

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def node(tmp_path: Path, settings: Settings) -> Path:
    settings.QUAZZAR_DATA_DIR = tmp_path
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "secrets.key"
    settings.QUAZZAR_LICENSE_FILE = tmp_path / "license.jwt"
    settings.STATIC_ROOT = tmp_path / "static"
    settings.DEBUG = False
    return tmp_path


def run(
    monkeypatch: pytest.MonkeyPatch, *options: str, **checks: Callable[[], Finding]
) -> tuple[int, list[str]]:
    monkeypatch.setattr(doctor, "_registered", {})
    for name, check in checks.items():
        doctor.register(name, check)
    out = StringIO()
    try:
        call_command("doctor", *options, stdout=out, no_color=True)
    except SystemExit as exc:
        return int(str(exc.code)), out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def test_a_line_a_check_and_success_when_nothing_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    code, lines = run(monkeypatch, disk=lambda: ok("9 free."), licence=lambda: warning("None.", "Get one."))
    assert code == 0
    assert lines == ["ok      disk: 9 free.", "warning licence: None. Get one."]


def test_as_json_it_tells_what_the_api_tells_the_worst_first(monkeypatch: pytest.MonkeyPatch) -> None:
    since = timezone.now() - timedelta(hours=1)
    Row.objects.create(
        check_name="broker", level="failed", sentence="Down.", since=since, checked_at=timezone.now()
    )
    code, lines = run(
        monkeypatch, "--json", disk=lambda: ok("9 free."), broker=lambda: failed("Down.", "Start it.")
    )
    assert code == 1
    told = json.loads("".join(lines))
    broker, disk = told["checks"]
    assert (told["level"], broker["level"], disk["level"]) == ("failed", "failed", "ok")
    assert (broker["name"], broker["sentence"], broker["advice"]) == ("broker", "Down.", "Start it.")
    assert datetime.fromisoformat(broker["since"]) == since  # as long as the worker has seen it


def test_a_failed_check_is_exit_1_and_the_others_still_run(monkeypatch: pytest.MonkeyPatch) -> None:
    code, lines = run(monkeypatch, broker=lambda: failed("Down.", "Start it."), disk=lambda: ok("9 free."))
    assert code == 1
    assert lines == ["failed  broker: Down. Start it.", "ok      disk: 9 free."]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (KeyFileError("The key file is open.", hint="chmod 600 it"), "The key file is open."),
        (
            OSError("postgres://q:hunter2@db refused"),
            "The check stopped with an error: postgres://q:[redacted]@db",
        ),
        (DatabaseError("locked"), "The check stopped with an error: locked."),
    ],
)
def test_a_check_that_breaks_is_a_failed_one(error: Exception, sentence: str) -> None:
    def broken() -> Finding:
        raise error

    [(_, finding)] = examine([Check("broken", broken)])
    assert finding.level is Level.FAILED
    assert finding.sentence.startswith(sentence)


def test_apps_add_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_registered", {})
    doctor.register("relay", lambda: warning("No relay is configured."))
    assert [check.name for check, _ in examine(doctor.registered())] == ["relay"]


def test_the_key_file(node: Path) -> None:
    assert nodechecks.key_file().level is Level.WARNING
    keyring.current()
    assert nodechecks.key_file() == ok(f"{node}/secrets.key holds 1 key, and only its owner can read it.")
    keyring.path().chmod(0o644)
    [(_, finding)] = examine([Check("key file", nodechecks.key_file)])
    assert finding.level is Level.FAILED
    assert finding.advice.startswith("chmod 600")


def test_secrets_whose_key_is_gone_are_counted(node: Path) -> None:
    from mailrelay.models import RelaySettings

    RelaySettings.objects.create(pk=1, host="smtp.example.com", password="hunter2")
    assert nodechecks.seals().level is Level.OK
    old = (node / "secrets.key").rename(node / "old.key")
    keyring.current()
    assert nodechecks.seals() == failed(
        "The key file does not open 1 of 1 stored secret: it was sealed with another key.",
        "Put the old key file back, or enter the secrets again. manage.py check_seals lists them.",
    )
    (node / "secrets.key").unlink()
    assert nodechecks.seals().level is Level.FAILED
    old.rename(node / "secrets.key")
    assert nodechecks.seals().level is Level.OK


def test_all_secrets_are_counted_once_an_hour_but_at_once_when_keys_change_or_a_secret_is_lost(
    node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mailrelay.models import RelaySettings

    counts: list[str] = []
    real = SealedColumn.count

    def count(column: SealedColumn, *args: Any) -> int:
        counts.append(column.label)
        return real(column, *args)

    monkeypatch.setattr(SealedColumn, "count", count)
    keyring.current()
    changes: list[tuple[bool, Callable[[], Any]]] = [
        (True, lambda: None),
        (False, lambda: None),
        (True, rotation.rotate),
        (False, lambda: RelaySettings.objects.create(pk=1, host="smtp.example.com", password="hunter2")),
        (True, (node / "secrets.key").unlink),
        (True, lambda: None),
    ]
    for expected, change in changes:
        change()
        counts.clear()
        nodechecks.seals()
        assert bool(counts) is expected


def test_the_database() -> None:
    assert nodechecks.database().level is Level.OK


def test_a_migration_that_is_not_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MigrationExecutor, "migration_plan", lambda *_: ["0002"])
    assert nodechecks.database().advice == "Run manage.py migrate."


def test_the_system_checks_speak_through_the_worst(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        system_checks.Warning("meh"),
        system_checks.Error("bad", hint="mend it"),
        system_checks.Info("x"),
    ]

    def check(**_: object) -> list[system_checks.CheckMessage]:
        return found

    check.tags = ()  # type: ignore[attr-defined]
    monkeypatch.setattr(registry, "get_checks", lambda: [check])
    monkeypatch.setattr(check, "__module__", "quazzar.checks")
    assert nodechecks.system() == failed("bad (2 more: manage.py check)", "mend it")
    found = [system_checks.Info("x")]
    assert nodechecks.system().level is Level.OK


def test_the_broker_that_does_not_answer(settings: Settings, node: Path) -> None:
    settings.REDIS_URL = ""
    settings.CELERY_BROKER_URL = f"redis+socket://{node}/none"
    assert nodechecks.broker().level is Level.FAILED
    assert "manage.py up" in nodechecks.broker().advice
    settings.REDIS_URL = settings.CELERY_BROKER_URL = "redis://:hunter2@127.0.0.1:1/0"
    assert "REDIS_URL" in nodechecks.broker().advice
    assert "hunter2" not in str(nodechecks.broker())


def test_the_worker_that_never_ran_or_stopped_is_failed() -> None:
    assert nodechecks.worker().level is Level.FAILED
    row = Heartbeat.objects.create(name="worker", at=timezone.now())
    assert nodechecks.worker().level is Level.OK
    row.at -= timedelta(minutes=5)
    row.save()
    assert nodechecks.worker().level is Level.FAILED


def test_operators_without_a_role_are_named() -> None:
    assert nodechecks.operators().level is Level.OK
    for name in ("anna", "ben", "eve"):
        User.objects.create_user(name, is_staff=name != "eve")
    User.objects.get(username="ben").groups.set(
        [Group.objects.get(name="Viewer"), Group.objects.create(name="x")]
    )
    finding = nodechecks.operators()
    assert finding.level is Level.WARNING and "the API: anna." in finding.sentence


def test_the_licence(settings: Settings) -> None:
    finding = nodechecks.licence()
    assert finding.level is Level.FAILED
    assert "the API refuses alerts" in finding.sentence
    licenses.trial("pro", 30)
    assert nodechecks.licence().level is Level.OK
    ended = timezone.now() - timedelta(hours=2)
    settings.QUAZZAR_LICENSE_FILE.write_text(signed("pro", exp=int(ended.timestamp())))
    finding = nodechecks.licence()
    assert (finding.level, finding.since) == (Level.FAILED, ended.replace(microsecond=0))
    licenses.trial("community", 30)
    assert "does not include Mail Relay" in nodechecks.licence().sentence


@pytest.mark.parametrize(
    ("free", "level"), [(10**12, Level.OK), (500 * 2**20, Level.WARNING), (50 * 2**20, Level.FAILED)]
)
def test_the_disk(monkeypatch: pytest.MonkeyPatch, free: int, level: Level) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free}))
    assert nodechecks.disk().level is level


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"f_flag": os.ST_RDONLY}, "read-only"),
        ({"f_favail": 999}, "only 999 more files"),
    ],
)
def test_a_disk_that_takes_no_more_files(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, int], words: str
) -> None:
    real = os.statvfs("/")
    names = ("f_bavail", "f_blocks", "f_bfree", "f_frsize", "f_flag", "f_favail")
    values = {name: getattr(real, name) for name in names} | {"f_files": 10**6} | change
    monkeypatch.setattr("os.statvfs", lambda _: type("Status", (), values))
    finding = nodechecks.disk()
    assert finding.level is Level.FAILED
    assert words in finding.sentence


def test_the_disk_of_a_database_elsewhere_counts_too(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Path(str(connection.settings_dict["NAME"])).parent
    if connection.vendor != "sqlite":
        return
    free = {node: 10**12, place: 10**6}
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": free[path]}))
    assert nodechecks.disk().level is Level.FAILED
    assert str(place) in nodechecks.disk().sentence


@pytest.mark.parametrize(
    ("synchronised", "level"), [(True, Level.OK), (None, Level.OK), (False, Level.WARNING)]
)
def test_the_clock(monkeypatch: pytest.MonkeyPatch, synchronised: bool | None, level: Level) -> None:
    monkeypatch.setattr("quazzar.monitoring.clock.is_synchronised", lambda: synchronised)
    assert nodechecks.clock().level is level
    Heartbeat.objects.update_or_create(name="worker", defaults={"at": timezone.now() + timedelta(minutes=1)})
    assert nodechecks.clock().level is level
    Heartbeat.objects.update(at=timezone.now() + timedelta(hours=1))
    finding = nodechecks.clock()
    assert finding.level is Level.FAILED
    assert "set back" in finding.sentence


def test_the_kernel_can_be_asked_about_the_clock() -> None:
    assert clock.is_synchronised() in (True, False, None)


def test_static_files(node: Path) -> None:
    assert nodechecks.static_files().level is Level.FAILED
    (node / "static").mkdir()
    (node / "static" / "staticfiles.json").write_text("{}")
    assert nodechecks.static_files().level is Level.OK


@pytest.mark.parametrize(
    ("debug", "allowed", "level"),
    [(False, ["mail.example.com"], Level.OK), (False, ["*"], Level.WARNING), (True, ["x"], Level.WARNING)],
)
def test_hosts(settings: Settings, debug: bool, allowed: list[str], level: Level) -> None:
    settings.DEBUG, settings.ALLOWED_HOSTS = debug, allowed
    assert nodechecks.hosts().level is level


def test_every_check_has_a_name_that_a_person_reads() -> None:
    assert [check.name for check in doctor.registered()][:2] == ["python", "system checks"]
    assert nodechecks.python().level is Level.OK
