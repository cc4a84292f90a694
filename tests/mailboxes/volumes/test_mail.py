"""The mail volume in a backup: the queue while Postfix stands still, then the mail; and back into an empty volume."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

import pytest
from django.conf import settings

from mailboxes.engine.spec import PROJECT_LABEL
from mailboxes.engine.values import PutFile
from mailboxes.models import Stack
from mailboxes.volumes import mail
from quazzar.backups import archive, sealedfile
from quazzar.backups.failures import BackupError, NodeNotEmpty
from quazzar.errors import EngineUnreachable
from tests.fakeparts import FakeVolume, tar_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quazzar.backups.archive import Member
    from tests.mailboxes.stackengine import StackEngine

SECRET = b"correct horse battery"
pytestmark = pytest.mark.django_db(transaction=True)
FILES = {
    "x.test/anna/Maildir/cur/1.mail:2,S": PutFile("", b"Subject: hello\n\n", 0o600, 1000, 1000),
    "x.test/anna/big": PutFile("", b"x" * 3_000_001, 0o600, 1000, 1000),
    ".postfix-queue/deferred/A/A1": PutFile("", b"waits", 0o700, 100, 0),
    ".postfix-queue/pid/master.pid": PutFile("", b"17", 0o644),
}


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealedfile, "_LOG_N", 4)


def volume() -> str:
    return f"{settings.QUAZZAR_STACK_PROJECT}-mail-data"


@pytest.fixture
def full(engine: StackEngine) -> StackEngine:
    """An Engine with a volume full of mail."""
    labels = {PROJECT_LABEL: settings.QUAZZAR_STACK_PROJECT}
    engine.disks[volume()] = FakeVolume(labels, dict(FILES))
    return engine


def saved() -> bytes:
    file = io.BytesIO()
    with archive.writing(file, SECRET) as writer:
        writer.add(archive.ABOUT, b"{}")
        mail.save(writer)
    return file.getvalue()


def members(file: bytes) -> Iterator[Member]:
    with archive.reading(io.BytesIO(file), SECRET) as found:
        yield from (member for member in found if member.name.startswith("mail/"))


def test_the_volume_is_copied_queue_first_and_fills_an_empty_one(full: StackEngine) -> None:
    file = saved()
    names = [member.name for member in members(file) if member.info.isreg()]
    assert names == [
        "mail/.postfix-queue/deferred/A/A1",
        "mail/x.test/anna/Maildir/cur/1.mail:2,S",
        "mail/x.test/anna/big",
    ]
    asked = [name for name, _ in full.calls if name in {"paused", "read_folder"}]
    assert asked == ["paused", "read_folder", "read_folder"]
    assert full.boxes == {}
    del full.disks[volume()]
    mail.check()
    mail.fill(members(file), False)
    kept = {path: part for path, part in FILES.items() if "pid" not in path}
    found = full.disks[volume()].files
    assert {path: part.data for path, part in found.items()} == {
        path: part.data for path, part in kept.items()
    }
    assert found["x.test/anna/big"].uid == 1000
    assert full.disks[volume()].labels == {PROJECT_LABEL: settings.QUAZZAR_STACK_PROJECT}
    assert full.boxes == {}


def test_mail_that_is_there_is_not_overwritten_and_a_queue_without_mail_is_none(full: StackEngine) -> None:
    with pytest.raises(NodeNotEmpty, match="holds mail"):
        mail.check()
    files = full.disks[volume()].files
    del files["x.test/anna/Maildir/cur/1.mail:2,S"], files["x.test/anna/big"]
    with pytest.raises(NodeNotEmpty):
        mail.check()
    del files[".postfix-queue/deferred/A/A1"]
    mail.check()


def test_what_is_there_is_removed_if_that_is_asked_for(full: StackEngine) -> None:
    file = saved()
    full.disks[volume()].files["x.test/bert/later"] = PutFile("", b"later")
    mail.fill(members(file), True)
    assert "x.test/bert/later" not in full.disks[volume()].files
    assert "x.test/anna/big" in full.disks[volume()].files


def test_without_a_mail_server_there_is_nothing_to_copy_and_without_docker_no_backup(
    engine: StackEngine,
) -> None:
    assert list(members(saved())) == []
    engine.unreachable = True
    with pytest.raises(EngineUnreachable):
        saved()


def test_a_copy_that_fails_leaves_no_container_and_the_next_one_works(full: StackEngine) -> None:
    full.errors["read_folder"] = EngineUnreachable()
    with pytest.raises(EngineUnreachable):
        saved()
    assert full.boxes == {}
    assert len(list(members(saved()))) > 2


def test_a_restored_stack_is_brought_up_later_than_anything_a_volume_has_seen() -> None:
    before = int(time.time())
    stack = Stack.objects.create(
        pk=1, enabled=True, phase="healthy", desired_generation=7, applied_generation=7, parts={"users": {}}
    )
    mail.settle()
    stack.refresh_from_db()
    assert (stack.phase, stack.applied_generation, stack.parts) == ("preflight", 0, {})
    assert stack.desired_generation >= before
    Stack.objects.update(enabled=False, phase="disabled")
    mail.settle()
    stack.refresh_from_db()
    assert stack.phase == "disabled"


def test_a_copy_that_ends_anywhere_but_at_its_end_is_no_backup(full: StackEngine) -> None:
    whole = b"".join(tar_of(dict(FILES), "mail-data"))
    end = len(whole.rstrip(b"\0"))
    # Within a header, within a file, between two members, and before the blocks that mark the end.
    for length in (300, 1100, 512, 1024, 3_000_000, -(-end // 512) * 512, len(whole)):
        full.read_folder = lambda name, path, n=length: iter([whole[:n]])  # type: ignore[method-assign, misc]
        if length == len(whole):
            saved()
        else:
            with pytest.raises(BackupError, match="cut off"):
                saved()
