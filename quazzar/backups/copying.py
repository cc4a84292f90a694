"""A copy of an SQLite database before an upgrade changes it, with which one can go back to the release before."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from quazzar import words
from quazzar.backups import rows
from quazzar.backups.failures import BackupError

if TYPE_CHECKING:
    from collections.abc import Callable

#: In the data dir.
FOLDER = "before-upgrades"
#: How many copies are kept.
KEPT = 3
#: Bytes that stay free beside the copy.
_MARGIN = 64 * 1024 * 1024


HELP = "upgrade an SQLite database without a copy of it, as when the disk has no room for one"


def migrate(say: Callable[[str], object], *, copy: bool = True) -> None:
    """Brings the database to this release, after a copy if it has data.

    Args:
        say: is told where the copy is.

    Raises:
        CommandError: the database cannot be copied; nothing has been changed.
    """
    try:
        path = before_migrating() if copy else None
    except BackupError as exc:
        raise CommandError(f"{exc.message} {exc.hint}".strip()) from exc
    if path is not None:
        say(f"The database is being upgraded. A copy from before is in {path}.")
    call_command("migrate", interactive=False, verbosity=0)


def before_migrating() -> Path | None:
    """Copies the database if it has data that migrations are about to change; None if there is nothing to copy.

    A PostgreSQL database is not copied: its administrator does that.

    Raises:
        BackupError: there is no room for the copy, or it cannot be written; nothing has been changed.
    """
    if connection.vendor != "sqlite" or not rows.migrations() or not _is_outdated():
        return None
    folder = Path(settings.QUAZZAR_DATA_DIR) / FOLDER
    target = folder / f"quazzar-{timezone.now():%Y%m%dT%H%M%SZ}.sqlite3"
    part = target.with_suffix(".part")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        _check_room(folder)
        _copy(part)
        part.replace(target)
        for old in sorted(folder.glob("quazzar-*.sqlite3"))[:-KEPT]:
            old.unlink()
    except (OSError, sqlite3.Error) as exc:
        with suppress(OSError):
            part.unlink()
        raise BackupError(
            f"The database cannot be copied to {folder} before it is upgraded: {exc}.",
            hint="Nothing was changed. Make sure that Quazzar's user may write there.",
        ) from exc
    return target


def _is_outdated() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _check_room(folder: Path) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        (size,) = cursor.fetchone()
    free = shutil.disk_usage(folder).free
    if free < size + _MARGIN:
        raise BackupError(
            f"{folder} has {words.size(free)} free, and the copy of the database before its upgrade needs "
            f"{words.size(size + _MARGIN)}.",
            hint="Nothing was changed. Free some space; or back the node up and add --without-copy.",
        )


def _copy(part: Path) -> None:
    """By SQLite's own backup, on the connection that there is: to open the file once more would drop its locks."""
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    connection.ensure_connection()
    with closing(sqlite3.connect(part)) as copy:
        connection.connection.backup(copy)
    handle = os.open(part, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
