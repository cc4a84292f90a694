"""Checks a backup, and makes a node of it: on an empty machine, or in place of what is there."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import DatabaseError

from quazzar import words
from quazzar.access import audit
from quazzar.backups import archive, files, registry, rows
from quazzar.backups.failures import DamagedBackup, NodeNotEmpty, UnknownBackup, disk_errors
from quazzar.backups.making import FORMAT, check_user
from quazzar.errors import Unreadable
from quazzar.processes.kernel import exclusive
from quazzar.sealing import keyring
from quazzar.sealing.cipher import unseal
from quazzar.sealing.columns import sealed_columns

if TYPE_CHECKING:
    from collections.abc import Collection

    from quazzar.backups.archive import Member


@dataclass(frozen=True)
class About:
    """What a backup says about itself, and what is in it.

    Attributes:
        migrations: those that its rows need.
        parts: what it holds beside the node itself.
        manifest: folder → number, bytes and SHA-256 of its files.
    """

    version: str
    made_at: datetime
    host: str
    database: str
    migrations: rows.Migrations
    parts: tuple[str, ...]
    manifest: dict[str, Any]


@dataclass(frozen=True)
class Restored:
    """What a restore did.

    Attributes:
        kept: names under which older files were kept.
        unreadable: how many stored secrets do not open.
    """

    rows: int
    kept: tuple[Path, ...]
    unreadable: int
    about: About


def inspect(path: Path, passphrase: bytes) -> About:
    """Reads the whole file, and checks its seal, its manifest, its keys and whether this release knows its rows.

    Raises:
        BackupError: something is wrong with it; the class says what.
    """
    contents: dict[str, bytes] = {}
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    with _opened(path, passphrase) as members:
        found = _about(next(members).read())
        for member in members:
            folder, _, name = member.name.partition("/")
            if folder == files.FOLDER:
                contents[name] = member.read()
            elif folder not in {rows.FOLDER, *found.parts}:
                raise DamagedBackup(f"The backup has a member that does not belong there: {member.name!r}.")
            counts[folder] += member.info.isreg()
            sizes[folder] += member.info.size
    files.check(contents)
    rows.check_known(found.migrations)
    found.manifest.update({each: {"files": counts[each], "bytes": sizes[each]} for each in counts})
    return found


def about(path: Path, passphrase: bytes) -> About:
    """What a backup says about itself; only its beginning is read.

    Raises:
        BackupError: as ``inspect``.
    """
    with _opened(path, passphrase) as members:
        return _about(next(members).read())


def _about(content: bytes) -> About:
    try:
        found = json.loads(content)
        number = found["format"]
        if number != FORMAT:
            raise UnknownBackup(f"The backup has format {number}, and this release knows {FORMAT}.")
        migrations = {str(app): [str(name) for name in names] for app, names in found["migrations"].items()}
        texts = {name: str(found[name]) for name in ("version", "host", "database")}
        made_at = datetime.fromisoformat(found["made_at"])
        return About(
            **texts,
            made_at=made_at,
            migrations=migrations,
            parts=tuple(map(str, found["parts"])),
            manifest={},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise DamagedBackup("about.json in the backup is not what it should be.") from exc


@contextmanager
def _opened(path: Path, passphrase: bytes) -> Iterator[Iterator[Member]]:
    with disk_errors("read", path), path.open("rb") as file, archive.reading(file, passphrase) as members:
        yield members


def restore(
    path: Path, passphrase: bytes, *, without: Collection[str] = (), replace: bool = False
) -> Restored:
    """Makes this node the one of the backup. Killed at any moment, it can be run again.

    Mail volumes and other parts come first, the rows last and in one transaction: until then the node is empty.

    Args:
        without: parts of the backup that are left out.
        replace: remove what the node has.

    Raises:
        NodeNotEmpty: the node has data, and ``replace`` is not set. Nothing was changed.
        QuazzarError: it cannot be restored. What was begun is finished by another run.
    """
    check_user()
    marker = registry.unfinished()
    with exclusive(Path(settings.QUAZZAR_DATA_DIR) / "up.lock"):
        about = inspect(path, passphrase)
        chosen = [_part(name) for name in about.parts if name not in without]
        begun = marker.exists()
        if not (replace or begun):
            check_empty()
            for part in chosen:
                part.check()
        marker.write_text(f"{path}\n")
        for part in chosen:
            with _opened(path, passphrase) as members:
                part.fill(_of(part.name, members), replace or begun)
        result = restore_rows(path, passphrase, about)
        registry.settle()
        audit.record("node.restored", f"backup of {words.moment(about.made_at)} from {about.host}")
        marker.unlink()
    return result


def restore_rows(path: Path, passphrase: bytes, about: About) -> Restored:
    """Puts files and rows in place, and brings the tables up to this release.

    Raises:
        BackupError: they cannot be read, written or understood.
    """
    contents: dict[str, bytes] = {}
    rows.prepare(about.migrations)
    with _opened(path, passphrase) as members:
        for member in members:
            if member.name.startswith(f"{files.FOLDER}/"):
                contents[member.name.partition("/")[2]] = member.read()
    kept = files.put(contents)
    with _opened(path, passphrase) as members:
        count = rows.load(_of(rows.FOLDER, members), about.migrations)
    ContentType.objects.clear_cache()
    call_command("migrate", interactive=False, verbosity=0)
    return Restored(count, tuple(kept), unreadable(), about)


def _of(folder: str, members: Iterator[Member]) -> Iterator[Member]:
    return (member for member in members if member.name.startswith(f"{folder}/"))


def _part(name: str) -> registry.Part:
    try:
        return registry.parts()[name]
    except KeyError as exc:
        raise UnknownBackup(f"This release does not know the part {name!r} of the backup.") from exc


def check_empty() -> None:
    """Refuse a node that people use.

    Raises:
        NodeNotEmpty: it has operators.
    """
    if not rows.migrations():
        return
    try:
        operators = get_user_model().objects.count()
    except DatabaseError as exc:
        raise NodeNotEmpty(
            "The database has tables of another release.",
            hint="Use an empty database, or --replace, which removes them.",
        ) from exc
    if operators:
        raise NodeNotEmpty(
            f"This node has data: {words.count(operators, 'operator')} and everything they set up.",
            hint="Use an empty data dir and an empty database, or --replace, which removes all of it.",
        )


def unreadable() -> int:
    """How many stored secrets do not open with the key file."""
    ring = keyring.current()
    count = 0
    for column in sealed_columns():
        for batch in column.batches():
            for _, blob in batch:
                try:
                    unseal(blob, column.context, ring, column.former_contexts)
                except Unreadable:
                    count += 1
    return count
