"""The copy of an SQLite database before it is upgraded: made if there is something to lose, refused without room."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError
from django.db import connection

from quazzar.backups import copying, rows

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="only an SQLite database is copied"),
]


@pytest.fixture
def folder(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where copies are made of a database that is about to be upgraded."""
    settings.QUAZZAR_DATA_DIR = tmp_path
    monkeypatch.setattr(copying, "_is_outdated", lambda: True)
    return tmp_path / copying.FOLDER


def test_a_database_that_is_up_to_date_is_not_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "_is_outdated", lambda: False)
    assert copying.before_migrating() is None and not folder.exists()


def test_an_empty_database_is_not_copied(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "migrations", dict)
    assert copying.before_migrating() is None and not folder.exists()


@pytest.mark.django_db(
    transaction=True
)  # SQLite does not copy a database in memory from inside a transaction
def test_only_the_latest_copies_are_kept(folder: Path) -> None:
    folder.mkdir()
    old = [folder / f"quazzar-2025010{day}T000000Z.sqlite3" for day in (1, 2, 3)]
    other = folder / "mine.sqlite3"
    for path in (*old, other):
        path.write_bytes(b"")
    made = copying.before_migrating()
    assert made is not None and {*folder.iterdir()} == {*old[1:], made, other}
    with closing(sqlite3.connect(made)) as copy:
        assert copy.execute("SELECT count(*) FROM django_migrations").fetchone()[0] > 50


def test_without_room_the_upgrade_is_refused_unless_no_copy_is_wanted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1024))
    migrated: list[str] = []
    monkeypatch.setattr(copying, "call_command", lambda name, **_: migrated.append(name))
    with pytest.raises(CommandError, match=r"has 1 KiB free.*add --without-copy"):
        copying.migrate(print)
    assert migrated == [] and list(folder.iterdir()) == []
    copying.migrate(print, copy=False)
    assert migrated == ["migrate"]


def test_a_folder_that_cannot_be_written_to_is_told(folder: Path) -> None:
    folder.write_text("a file of this name")
    with pytest.raises(CommandError, match=r"cannot be copied to .*Nothing was changed"):
        copying.migrate(print)
