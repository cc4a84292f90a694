"""What is inside the seal: hostile members are refused, even from somebody who knows the passphrase."""

from __future__ import annotations

import io
import tarfile

import pytest

from quazzar.backups import archive, sealedfile
from quazzar.backups.archive import ABOUT, MANIFEST, Writer
from quazzar.backups.failures import DamagedBackup

SECRET = b"correct horse battery"


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealedfile, "_LOG_N", 4)


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def made(*entries: tarfile.TarInfo, first: str = ABOUT) -> bytes:
    file = io.BytesIO()
    with archive.writing(file, SECRET) as writer:
        writer.add(first, b"{}")
        for info in entries:
            writer.copy(info, io.BytesIO(b"x" * info.size))
    return file.getvalue()


def names(file: bytes) -> list[str]:
    with archive.reading(io.BytesIO(file), SECRET) as members:
        return [member.name for member in members]


def test_members_come_back_in_order_whether_they_are_read_or_not() -> None:
    links = (entry("mail/a/new", tarfile.SYMTYPE, "cur"), entry("mail/a", tarfile.DIRTYPE))
    file = made(entry("rows/t/1.json", size=3), entry("files/k", size=2_000_000), *links)
    assert names(file) == [ABOUT, "rows/t/1.json", "files/k", "mail/a/new", "mail/a"]
    with archive.reading(io.BytesIO(file), SECRET) as members:
        assert [len(member.read()) for member in members] == [2, 3, 2_000_000, 0, 0]


@pytest.mark.parametrize(
    ("hostile", "said"),
    [
        (entry("/etc/passwd"), "leaves its folder"),
        (entry("mail/../../etc/passwd"), "leaves its folder"),
        (entry("mail/a/.."), "leaves its folder"),
        (entry("mail/link", tarfile.SYMTYPE, "/etc"), "link that leaves"),
        (entry("mail/link", tarfile.SYMTYPE, "../../etc"), "link that leaves"),
        (entry("mail/hard", tarfile.LNKTYPE, "files/secrets.key"), "link that leaves"),
        (entry("mail/hard", tarfile.LNKTYPE, "mail/../files/secrets.key"), "link that leaves"),
        (entry("mail/device", tarfile.CHRTYPE), "neither file"),
        (entry("mail/pipe", tarfile.FIFOTYPE), "neither file"),
        (entry("files/secrets.key", tarfile.SYMTYPE, "other"), "not a file"),
        (entry("rows/t", tarfile.DIRTYPE), "not a file"),
        (entry("other", tarfile.DIRTYPE), "not a file"),
    ],
)
def test_a_member_that_could_leave_its_folder_is_refused(hostile: tarfile.TarInfo, said: str) -> None:
    with pytest.raises(DamagedBackup, match=said):
        names(made(entry("mail/a", size=1), hostile))


def test_a_member_behind_a_link_is_refused() -> None:
    with pytest.raises(DamagedBackup, match="behind a symbolic link"):
        names(made(entry("mail/a", tarfile.SYMTYPE, "b"), entry("mail/a/mail", size=1)))


def test_an_archive_without_beginning_or_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DamagedBackup, match="does not begin"):
        names(made(first="rows/t/1.json"))
    with pytest.raises(DamagedBackup, match="does not begin"):
        names(made(entry(ABOUT)))
    whole = made(entry("rows/t/1.json", size=3))
    monkeypatch.setattr(Writer, "close", lambda writer: writer._tar.close())
    assert len(made()) < len(whole)
    with pytest.raises(DamagedBackup, match="without its manifest"):
        names(made(entry("rows/t/1.json", size=3)))


def test_a_manifest_that_names_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Writer.manifest
    monkeypatch.setattr(Writer, "manifest", lambda writer: {**honest(writer), "rows": {"files": 2}})
    with pytest.raises(DamagedBackup, match="not what its manifest says"):
        names(made(entry("rows/t/1.json", size=3)))
    with pytest.raises(DamagedBackup, match="not JSON"):
        names(made(entry(MANIFEST, size=3)))


def test_a_seal_around_something_else_is_no_archive() -> None:
    for content in (b"", b"not packed", b"\x1f\x8b\x08" + b"\0" * 100):
        file = io.BytesIO()
        writer = sealedfile.SealingWriter(file, SECRET)
        writer.write(content)
        writer.finish()
        with pytest.raises(DamagedBackup):
            names(file.getvalue())
