"""The seal of a backup: what was written comes back, and whatever was done to it is noticed."""

from __future__ import annotations

import io
import os

import pytest

from quazzar.backups import sealedfile
from quazzar.backups.failures import BackupError, DamagedBackup, UnknownBackup, WrongPassphrase
from quazzar.backups.sealedfile import CHUNK, SealedReader, SealingWriter

SECRET = b"correct horse battery"
HEADER = len(sealedfile.MAGIC) + 32
BLOCK = CHUNK + 16


def sealed(content: bytes) -> bytes:
    file = io.BytesIO()
    writer = SealingWriter(file, SECRET)
    writer.write(content)
    writer.finish()
    assert writer.length == len(file.getvalue())
    return file.getvalue()


def opened(file: bytes, secret: bytes = SECRET) -> bytes:
    return io.BufferedReader(SealedReader(io.BytesIO(file), secret)).read()


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guesses need not be slow here."""
    monkeypatch.setattr(sealedfile, "_LOG_N", 4)


def test_content_of_every_size_comes_back_and_is_not_readable_without_the_passphrase() -> None:
    for size in (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7):
        content = os.urandom(size)
        file = sealed(content)
        assert opened(file) == content, size
        assert len(content) < 16 or content[:16] not in file
        with pytest.raises(WrongPassphrase):
            opened(file, b"correct horse batterz")


def test_two_files_of_the_same_content_have_nothing_in_common() -> None:
    first, second = sealed(b"x" * 100), sealed(b"x" * 100)
    head = len(sealedfile.MAGIC)
    assert first[head : head + 16] != second[head : head + 16]
    assert first[HEADER:] != second[HEADER:]


def test_whatever_is_changed_or_missing_is_noticed() -> None:
    file = sealed(os.urandom(2 * CHUNK + 100))
    changed = {
        "a bit of the first chunk": flipped(file, HEADER + 5),
        "a bit of a tag": flipped(file, HEADER + BLOCK - 1),
        "a bit of the last chunk": flipped(file, len(file) - 20),
        "cut off between chunks": file[: HEADER + 2 * BLOCK],
        "cut off within a chunk": file[: HEADER + BLOCK + 50],
        "cut off within a tag": file[:-3],
        "cut off behind the header": file[:HEADER],
        "cut off within the header": file[: HEADER - 20],
        "longer": file + b"x",
        "two chunks swapped": file[:HEADER]
        + file[HEADER + BLOCK : HEADER + 2 * BLOCK]
        + file[HEADER : HEADER + BLOCK]
        + file[HEADER + 2 * BLOCK :],
        "a chunk left out": file[: HEADER + BLOCK] + file[HEADER + 2 * BLOCK :],
    }
    for what, content in changed.items():
        with pytest.raises(DamagedBackup):
            print(what, len(opened(content)))
    # The salt and the proof: then the passphrase fits no more.
    for place in (len(sealedfile.MAGIC), HEADER - 1):
        with pytest.raises(WrongPassphrase):
            opened(flipped(file, place))


def flipped(file: bytes, place: int) -> bytes:
    return file[:place] + bytes([file[place] ^ 1]) + file[place + 1 :]


def test_other_files_and_newer_formats_are_told_apart() -> None:
    for content in (b"", b"PK\x03\x04 something else", sealed(b"x")[1:]):
        with pytest.raises(DamagedBackup, match="not a backup"):
            opened(content)
    with pytest.raises(UnknownBackup):
        opened(sealed(b"x").replace(b"BACKUP 1\n", b"BACKUP 2\n", 1))


def test_a_short_passphrase_protects_nothing() -> None:
    for secret in (b"", b"short", b"x" * 2000):
        with pytest.raises(BackupError, match="must have"):
            SealingWriter(io.BytesIO(), secret)
