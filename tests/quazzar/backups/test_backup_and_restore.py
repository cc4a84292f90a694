"""A node is backed up, emptied and restored: rows, keys and files are as they were, and nothing is taken lightly."""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from mailrelay.expected import arrivals, signatures
from mailrelay.mail.emails import Email
from mailrelay.models import ExpectedReport, Message, RelaySettings
from mailrelay.queue import outbox
from quazzar.backups import age, archive, files, making, registry, restoring, rows, sealedfile
from quazzar.backups.failures import BackupError, DamagedBackup, NodeNotEmpty, UnknownBackup, WrongPassphrase
from quazzar.models import AuditEntry
from quazzar.monitoring.doctor import Level
from quazzar.sealing import keyring
from tests.quazzar.nodes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = b"correct horse battery"
pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture(autouse=True)
def node(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a node of its own, with a relay whose password is sealed."""
    monkeypatch.setattr(sealedfile, "_LOG_N", 4)
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "django-secret.key").write_text("django's\n")
    settings.QUAZZAR_DATA_DIR = data
    settings.QUAZZAR_SECRETS_KEY_FILE = data / "secrets.key"
    settings.QUAZZAR_LICENSE_FILE = data / "license.jwt"
    (data / "license.jwt").write_text("a licence\n")
    User.objects.create_superuser("anna", password="annas-pass")
    RelaySettings.objects.create(
        pk=1,
        host="relay.test",
        port=587,
        password="p4ss",
        from_address="n@x.test",
        backup_recipients=["o@x.test"],
    )
    return data


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "node.backup"


def everything() -> dict[str, bytes]:
    """All rows but what a restore itself writes, and what permissions are numbered."""
    return {
        name: content
        for name, content in rows.dump()
        if not any(word in name for word in ("auditentry", "auth_permission", "content_type", "finding"))
    }


def empty(node: Path) -> None:
    """As on a new machine, but for the tables."""
    call_command("flush", interactive=False, verbosity=0)
    for file in node.iterdir():
        file.unlink()


def test_everything_comes_back_and_each_secret_opens(node: Path, target: Path) -> None:
    message = outbox.enqueue(email(), source="api")
    User.objects.create_user("välkommen")
    before, key = everything(), (node / "secrets.key").read_bytes()
    made = making.make(target, SECRET)
    assert (made.size, target.stat().st_mode & 0o777) == (target.stat().st_size, 0o600)
    content = target.read_bytes()
    assert not any(secret in content for secret in (b"p4ss", key.splitlines()[1], b"anna", b"django's"))
    empty(node)
    result = restoring.restore(target, SECRET)
    assert (result.unreadable, result.kept, everything()) == (0, (), before)
    assert keyring.parse((node / "secrets.key").read_bytes()).keys == keyring.parse(key).keys
    assert {name: (node / name).read_text() for name in ("django-secret.key", "license.jwt")} == {
        "django-secret.key": "django's\n",
        "license.jwt": "a licence\n",
    }
    assert all(file.stat().st_mode & 0o077 == 0 for file in node.iterdir() if "lock" not in file.name)
    password = RelaySettings.load().password
    assert password is not None and password.reveal() == "p4ss"
    assert Message.objects.get().message_id == message.message_id
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.target.partition(" of ")[0]) == ("node.restored", "backup")
    assert not (node / "restore.unfinished").exists()
    # New rows do not get the ids of restored ones.
    assert User.objects.create_user("bert").pk > User.objects.get(username="anna").pk


def email() -> Email:
    return Email(to=["b@far.test"], subject="Grüße", text="über alles")


def test_a_message_that_was_being_sent_is_sent_once_its_lease_is_over(node: Path, target: Path) -> None:
    message = outbox.enqueue(email(), source="api")
    assert [each.pk for each in outbox.claim("a worker that is gone", 10)] == [message.pk]
    making.make(target, SECRET)
    empty(node)
    restoring.restore(target, SECRET)
    assert outbox.claim("another", 10) == []
    Message.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert outbox.expire_leases() == 1
    (again,) = outbox.claim("another", 10)
    assert again.message_id == message.message_id


def test_the_rows_are_those_of_one_moment_and_writers_go_on_meanwhile(target: Path) -> None:
    dump = rows.dump()
    first = next(dump)
    # On SQLite this would wait for the lock if the dump held it.
    User.objects.create_user("later")
    content = b"".join([first[1], *(part for _, part in dump)])
    assert b"anna" in content and b"later" not in content


def test_a_node_that_has_data_is_not_overwritten_unless_that_is_asked_for(node: Path, target: Path) -> None:
    making.make(target, SECRET)
    User.objects.create_user("later")
    old = (node / "secrets.key").read_bytes()
    keyring.replace(node / "secrets.key", keyring.current().with_new_key())
    with pytest.raises(NodeNotEmpty, match="2 operators"):
        restoring.restore(target, SECRET)
    assert User.objects.count() == 2
    result = restoring.restore(target, SECRET, replace=True)
    assert [user.username for user in User.objects.all()] == ["anna"]
    assert [path.name for path in result.kept] == ["secrets.key.before-restore"]
    assert (node / "secrets.key").read_bytes() == old


def test_a_wrong_passphrase_or_a_damaged_file_changes_nothing(node: Path, target: Path) -> None:
    making.make(target, SECRET)
    empty(node)
    whole = target.read_bytes()
    for content, secret, error in (
        (whole, b"something else here", WrongPassphrase),
        (whole[:-30], SECRET, DamagedBackup),
        (whole[:200] + b"x" + whole[201:], SECRET, DamagedBackup),
        (b"PK" + whole, SECRET, DamagedBackup),
    ):
        target.write_bytes(content)
        with pytest.raises(error):
            restoring.restore(target, secret)
        assert sorted(file.name for file in node.iterdir()) == ["up.lock"]
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("part", "step"),
    [
        (rows, "prepare"),
        (files, "replace_private"),
        (rows, "_insert"),
        (rows, "load"),
        (restoring, "unreadable"),
        (registry, "settle"),
    ],
)
def test_a_restore_that_is_killed_is_finished_by_the_next_one(
    node: Path, target: Path, monkeypatch: pytest.MonkeyPatch, part: Any, step: str
) -> None:
    before = everything()
    making.make(target, SECRET)
    empty(node)

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(part, step, kill)
        restoring.restore(target, SECRET)
    assert (node / "restore.unfinished").exists()
    with pytest.raises(CommandError, match="is not complete"):
        call_command("up")
    assert restoring.restore(target, SECRET).unreadable == 0
    assert everything() == before


def test_a_backup_that_is_killed_leaves_nothing_under_its_name(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    making.make(target, SECRET)
    before = target.read_bytes()

    def kill(*_: object) -> Iterator[tuple[str, bytes]]:
        yield "rows/t/1.json", os.urandom(3_000_000)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(rows, "dump", kill)
        making.make(target, SECRET)
    assert target.read_bytes() == before
    assert [each.name for each in target.parent.iterdir() if each.is_file()] == ["node.backup"]


def test_a_full_disk_is_said_and_leaves_nothing(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def big(*_: object) -> Iterator[tuple[str, bytes]]:
        yield "rows/t/1.json", os.urandom(12_000_000)

    monkeypatch.setattr(rows, "dump", big)
    monkeypatch.setattr(making, "_database_size", lambda: 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The database's own files stay below.
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000_000, hard))
    try:
        with pytest.raises(BackupError, match="cannot be written: File too large") as caught:
            making.make(target, SECRET)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "Free some space" in caught.value.hint
    assert [each.name for each in target.parent.iterdir() if each.is_file()] == []
    assert age.examine().level is Level.FAILED
    report = Message.objects.get(source="backup")
    assert report.subject == "[Backup failed] quazzar"


def test_a_disk_without_room_is_noticed_before_anything_is_written(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "_database_size", lambda: 2**60)
    with pytest.raises(BackupError, match="and the backup needs at least"):
        making.make(target, SECRET)
    assert not target.exists()


def test_a_file_that_is_no_backup_is_not_replaced(target: Path) -> None:
    target.write_text("my thesis")
    with pytest.raises(BackupError, match="is not a backup"):
        making.make(target, SECRET)
    assert target.read_text() == "my thesis"
    link = target.with_name("link")
    link.symlink_to(target)
    with pytest.raises(BackupError, match="is not a file"):
        making.make(link, SECRET)


def test_in_a_folder_the_latest_are_kept_and_what_is_not_ours_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    monkeypatch.setattr("socket.gethostname", lambda: "node7")
    for day in range(1, 5):
        (folder / f"quazzar-node7-2026010{day}T000000Z.backup").write_bytes(b"old")
    (folder / "quazzar-node8-20250101T000000Z.backup").write_bytes(b"another node's")
    (folder / ".quazzar-node7-20260104T000000Z.backup.partial").write_bytes(b"killed")
    made = making.make(folder, SECRET, keep=2)
    assert sorted(path.name for path in folder.iterdir()) == [
        "notes.txt",
        "quazzar-node7-20260104T000000Z.backup",
        made.path.name,
        "quazzar-node8-20250101T000000Z.backup",
    ]
    assert len(made.removed) == 3


def test_a_backup_is_reported_expected_noted_and_seen_by_the_doctor(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        arrivals, "recent", arrivals._Recent()
    )  # what other tests have reported does not count
    assert "No backup" in age.examine().sentence
    RelaySettings.objects.update(notify_backup_success=True)
    making.make(target, SECRET)
    message = Message.objects.get(source="backup")
    assert message.subject.startswith("[Backup ok] quazzar (")
    assert ExpectedReport.objects.get().key == signatures.of_backup("quazzar").key
    entry = AuditEntry.objects.latest("id")
    assert (entry.action, entry.target) == ("backup.made", str(target))
    assert age.examine().level is Level.OK
    monkeypatch.setattr("django.utils.timezone.now", lambda: entry.at + timedelta(days=9))
    assert (age.examine().level, age.examine().sentence) == (
        Level.WARNING,
        "The last backup was made 9 days ago.",
    )


def test_rows_of_a_newer_release_are_refused(
    node: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = {**rows.migrations(), "quazzar": [*rows.migrations()["quazzar"], "9999_from_the_future"]}
    with monkeypatch.context() as patch:
        patch.setattr(rows, "migrations", lambda: newer)
        making.make(target, SECRET)
    with pytest.raises(UnknownBackup, match=r"quazzar\.9999_from_the_future"):
        restoring.inspect(target, SECRET)
    about = {"format": 2, "version": "9", "made_at": "2030-01-01T00:00:00+00:00"}
    with target.open("wb") as file, archive.writing(file, SECRET) as writer:
        writer.add(archive.ABOUT, json.dumps(about).encode())
    with pytest.raises(UnknownBackup, match="format 2"):
        restoring.inspect(target, SECRET)


def test_members_that_belong_nowhere_are_refused(target: Path) -> None:
    about = {"format": 1, "version": "1", "host": "h", "database": "sqlite", "migrations": {}, "parts": [],
             "made_at": "2030-01-01T00:00:00+00:00"}  # fmt: skip
    for name in ("mail/a", "files/authorized_keys", "rows/no_such_table/000001.json"):
        with target.open("wb") as file, archive.writing(file, SECRET) as writer:
            writer.add(archive.ABOUT, json.dumps(about).encode())
            writer.add(name, b'["a"]\n["b"]')
            writer.add("files/secrets.key", keyring.text(keyring.current()).encode())
        with pytest.raises(DamagedBackup):
            restoring.inspect(target, SECRET)
            rows.load(_rows(target), rows.migrations())
    assert User.objects.exists()


def _rows(target: Path) -> Iterator[archive.Member]:
    with target.open("rb") as file, archive.reading(file, SECRET) as members:
        yield from (member for member in members if member.name.startswith("rows/"))


def test_the_commands_ask_for_a_passphrase_that_nobody_else_can_read(tmp_path: Path, target: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(SECRET + b"\n")
    file.chmod(0o644)
    with pytest.raises(CommandError, match="Other users can read"):
        call_command("backup", str(target), passphrase_file=str(file))
    with pytest.raises(CommandError, match="no terminal"):
        call_command("backup", str(target))
    file.chmod(0o600)
    err = io.StringIO()
    call_command("backup", str(target), passphrase_file=str(file), stderr=err)
    assert str(target) in err.getvalue()
    file.write_text("short\n")
    with pytest.raises(CommandError, match="must have 12"):
        call_command("backup", str(target), passphrase_file=str(file))
    with pytest.raises(CommandError, match="is not the one"):
        call_command("verify", str(target), passphrase_file=str(file))


def test_verify_restores_the_rows_for_trial_and_touches_nothing_of_the_node(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealedfile, "_LOG_N", 17)  # the trial is another process
    file = tmp_path / "passphrase"
    file.write_bytes(SECRET + b"\n")
    file.chmod(0o600)
    making.make(target, SECRET)
    before, out = everything(), io.StringIO()
    call_command("verify", str(target), passphrase_file=str(file), stdout=out)
    assert "(sqlite)" in out.getvalue() or "(postgresql)" in out.getvalue()
    assert "It holds the rows" in out.getvalue()
    assert "every stored secret opens with the key file in it" in out.getvalue()
    assert everything() == before


@pytest.mark.thorough
@pytest.mark.long
def test_without_a_database_there_is_nothing_to_back_up_and_an_empty_one_can_be_filled(
    target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By processes on data dirs of their own."""
    made = tmp_path / "passphrase"
    made.write_bytes(SECRET + b"\n")
    made.chmod(0o600)

    def manage(data: str, *argv: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "DJANGO_SETTINGS_MODULE": "quazzar.settings", "DATABASE_URL": ""}
        env |= {"QUAZZAR_DATA_DIR": str(tmp_path / data)}
        env |= {"QUAZZAR_SECRETS_KEY_FILE": str(tmp_path / data / "secrets.key")}
        argv = (*argv, "--passphrase-file", str(made))
        return subprocess.run([sys.executable, "manage.py", *argv], cwd=ROOT, env=env, capture_output=True,
                              text=True, check=False)  # fmt: skip

    nothing = manage("first", "backup", str(target))
    assert nothing.returncode == 1 and "nothing to back up" in nothing.stderr
    monkeypatch.setattr(sealedfile, "_LOG_N", 17)
    making.make(target, SECRET)
    filled = manage("second", "restore", str(target))
    assert filled.returncode == 0, filled.stderr
    assert "every stored secret opens" in filled.stdout
    again = manage("second", "restore", str(target))
    assert again.returncode == 1 and "This node has data: 1 operator" in again.stderr
