"""Makes a backup while everything runs: rows of one moment, keys, licence, and the parts that are asked for."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from django.conf import settings
from django.db import DatabaseError, connection
from django.utils import timezone

from quazzar import __version__, words
from quazzar.access import audit
from quazzar.backups import archive, files, registry, rows
from quazzar.backups.failures import BackupError, disk_errors
from quazzar.backups.registry import Report
from quazzar.backups.sealedfile import INTRO
from quazzar.errors import QuazzarError
from quazzar.monitoring.logs import redact
from quazzar.paths import sync_folder
from quazzar.processes.kernel import AlreadyRunning, exclusive
from quazzar.sealing import keyring

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

FORMAT = 1
#: In place of a file: standard output.
STDOUT = Path("-")
_SUFFIX = ".backup"


@dataclass(frozen=True)
class Made:
    """A backup that is complete.

    Attributes:
        removed: older backups that were removed.
    """

    path: Path
    size: int
    sentence: str
    removed: tuple[Path, ...] = ()


def make(target: Path, passphrase: bytes, parts: Collection[str] = (), keep: int = 0) -> Made:
    """Makes a backup, notes it in the audit log, and reports how it ended.

    Args:
        target: a file; a folder, in which the file gets a name with host and time; or ``STDOUT``.
        parts: names of the parts to add to the node itself, such as ``mail``.
        keep: in a folder, how many backups of this host stay; 0 keeps all.

    Raises:
        QuazzarError: it could not be made. There is no file then, and an earlier one of the same name is still there.
    """
    started = timezone.now()
    try:
        with _alone():
            made = _make(target, passphrase, parts, keep)
    except (QuazzarError, DatabaseError) as exc:
        error = exc if isinstance(exc, QuazzarError) else _database_error(exc)
        with suppress(DatabaseError, QuazzarError):  # the cause of the failure may prevent the report, too
            audit.record("backup.failed", _named(target))
            registry.report(Report(False, started, timezone.now(), None, f"{error.message} {error.hint}"))
        if error is exc:
            raise
        raise error from exc
    audit.record("backup.made", _named(made.path))
    registry.report(Report(True, started, timezone.now(), made.size, made.sentence))
    return made


def _database_error(exc: DatabaseError) -> BackupError:
    return BackupError(f"The database cannot be read: {redact(str(exc)).strip()}.")


def _named(target: Path) -> str:
    return "standard output" if target == STDOUT else str(target)


@contextmanager
def _alone() -> Iterator[None]:
    check_user()
    try:
        with exclusive(Path(settings.QUAZZAR_DATA_DIR) / "backing-up.lock"):
            yield
    except AlreadyRunning as exc:
        raise BackupError("Another backup is being made.", hint="Wait until it is complete.") from exc


def check_user() -> None:
    """Refuse to work as another user than the one who runs the product: it could not use the created files.

    Raises:
        BackupError: the data dir belongs to somebody else.
    """
    owner = Path(settings.QUAZZAR_DATA_DIR).stat().st_uid
    if owner != os.geteuid():
        raise BackupError(
            f"{settings.QUAZZAR_DATA_DIR} belongs to user {owner}, but this process runs as {os.geteuid()}.",
            hint="Run this as the user who runs Quazzar: runuser -u quazzar -- …",
        )


def _make(target: Path, passphrase: bytes, parts: Collection[str], keep: int) -> Made:
    rows.check_complete()
    chosen = [registry.parts()[name] for name in sorted(parts)]
    if target == STDOUT:
        with disk_errors("written", "on standard output"):
            size, sentence = _write(sys.stdout.buffer, passphrase, chosen)
            sys.stdout.buffer.flush()
        return Made(target, size, sentence)
    prefix = f"quazzar-{socket.gethostname()}-"
    with disk_errors("written", target):
        in_folder = target.is_dir()
        if in_folder:
            for left in target.glob(f".{prefix}*{_SUFFIX}.partial"):  # by a run that was killed
                left.unlink()
            path = target / f"{prefix}{timezone.now():%Y%m%dT%H%M%SZ}{_SUFFIX}"
        else:
            path = target
        _check_replaceable(path)
        _check_room(path, sum(part.size() for part in chosen))
        with _whole(path) as out:
            size, sentence = _write(out, passphrase, chosen)
        removed = _thin_out(target, prefix, keep) if in_folder and keep else ()
    return Made(path, size, sentence, tuple(removed))


def _write(out: BinaryIO, passphrase: bytes, parts: list[registry.Part]) -> tuple[int, str]:
    ring = keyring.existing()
    with archive.writing(out, passphrase) as writer:
        about = {
            "format": FORMAT,
            "version": __version__,
            "made_at": timezone.now().isoformat(),
            "host": socket.gethostname(),
            "database": connection.vendor,
            "migrations": rows.migrations(),
            "parts": [part.name for part in parts],
        }
        writer.add(archive.ABOUT, json.dumps(about, indent=1).encode())
        for name, content in rows.dump():
            writer.add(name, content)
        for name, content in {**files.plain(), files.KEY_FILE: files.ring(ring)}.items():
            writer.add(f"{files.FOLDER}/{name}", content)
        for part in parts:
            part.save(writer)
        manifest = writer.manifest()
    return writer.length, describe(manifest)


def describe(manifest: dict[str, Any]) -> str:
    """What is in a backup, as a sentence. Pure."""
    has = [
        f"{words.count(value['files'], 'file')} ({words.size(value['bytes'])}) of {folder}"
        for folder, value in sorted(manifest.items())
        if folder not in {"", rows.FOLDER, files.FOLDER}
    ]
    size = words.size(manifest[rows.FOLDER]["bytes"])
    keys = f"{words.count(manifest[files.FOLDER]['files'], 'file')} of keys and licence"
    return f"It holds {words.listed([f'the rows ({size})', keys, *has])}."


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name only once it is complete and on the disk; nobody else can read it."""
    partial = path.with_name(f".{path.name}.partial")
    handle = os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            os.fchmod(out.fileno(), 0o600)
            yield out
            out.flush()
            os.fsync(out.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except BaseException:  # also Ctrl-C: nothing half-written stays
        partial.unlink(missing_ok=True)
        raise


def _check_replaceable(path: Path) -> None:
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise BackupError(f"{path} is not a file, so no backup is written there.")
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(INTRO)) != INTRO:
                raise BackupError(f"{path} exists and is not a backup.", hint="Choose another name.")


def _check_room(path: Path, more: int) -> None:
    """Refuse what cannot fit; rows and mail shrink to a quarter at best."""
    needed = (_database_size() + more) // 4
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise BackupError(
            f"{path.parent} has {words.size(free)} free, and the backup needs at least {words.size(needed)}.",
            hint="Free some space, or choose a folder on another disk.",
        )


def _database_size() -> int:
    """Bytes that the database holds, without the pages that deleted rows have left behind in SQLite's file."""
    question = "SELECT pg_database_size(current_database())"
    if connection.vendor == "sqlite":
        pages = (
            "(SELECT page_count FROM pragma_page_count) - (SELECT freelist_count FROM pragma_freelist_count)"
        )
        question = f"SELECT ({pages}) * page_size FROM pragma_page_size"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(question)
        return int(cursor.fetchone()[0])


def _thin_out(folder: Path, prefix: str, keep: int) -> list[Path]:
    """Removes the oldest backups of this host, whose names tell their age."""
    too_old = sorted(folder.glob(f"{prefix}*{_SUFFIX}"))[:-keep]
    for path in too_old:
        path.unlink()
    return too_old
