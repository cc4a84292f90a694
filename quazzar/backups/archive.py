"""What is inside the seal: a compressed tar that begins with ``about.json`` and ends with ``manifest.json``."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from quazzar.backups.failures import DamagedBackup
from quazzar.backups.sealedfile import SealedReader, SealingWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

ABOUT, MANIFEST = "about.json", "manifest.json"
#: A small member is read whole into memory; larger ones belong to a part, which streams.
_LARGEST = 256 * 1024 * 1024
_FAST = 1  # zlib's level: mail compresses little, and time counts
_BLOCK = 1024 * 1024


@dataclass(frozen=True)
class Member:
    """One entry of an archive.

    Attributes:
        info: as tar has it.
        content: of a regular file; empty for anything else. It can be read until the next member is asked for.
    """

    info: tarfile.TarInfo
    content: BinaryIO

    @property
    def name(self) -> str:
        """Its path in the archive."""
        return self.info.name

    def read(self) -> bytes:
        """The whole content.

        Raises:
            DamagedBackup: it is larger than any that we write whole.
        """
        if self.info.size > _LARGEST:
            raise DamagedBackup(f"{self.name} in the backup is too large.")
        return self.content.read()


class _Digest:
    """The files below one folder of the archive: their number, their size, and one SHA-256 over all of them."""

    def __init__(self) -> None:
        self.files = self.bytes = 0
        self._hash = hashlib.sha256()

    def begin(self, info: tarfile.TarInfo) -> None:
        self.files += 1
        self.bytes += info.size
        self._hash.update(f"{info.name}\0{info.type!r}\0{info.linkname}\0{info.size}\0".encode())

    def feed(self, block: bytes) -> None:
        self._hash.update(block)

    def value(self) -> dict[str, Any]:
        return {"files": self.files, "bytes": self.bytes, "sha256": self._hash.hexdigest()}


class _Measured(io.RawIOBase):
    """A file that is hashed while it is read."""

    def __init__(self, source: Any, digest: _Digest) -> None:
        self._source = source
        self._digest = digest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        block: bytes = self._source.read(size)
        self._digest.feed(block)
        return block


class Writer:
    """Adds members to an archive. Made by ``writing``.

    Attributes:
        length: bytes of the sealed file, once it is complete.
    """

    def __init__(self, tar: tarfile.TarFile) -> None:
        self.length = 0
        self._tar = tar
        self._digests: dict[str, _Digest] = {}

    def add(self, name: str, data: bytes) -> None:
        """A file with this content."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o600
        self.copy(info, io.BytesIO(data))

    def copy(self, info: tarfile.TarInfo, content: Any) -> None:
        """A member of another archive; ``content`` is read to its end if it is a regular file."""
        digest = self._digests.setdefault(_folder(info.name), _Digest())
        digest.begin(info)
        self._tar.addfile(info, _Measured(content, digest) if info.isreg() else None)

    def manifest(self) -> dict[str, Any]:
        """Folder → number, size and SHA-256 of what was added so far."""
        return {folder: digest.value() for folder, digest in self._digests.items()}

    def close(self) -> None:
        """Adds the manifest and ends the archive."""
        self.add(MANIFEST, json.dumps(self.manifest(), indent=1).encode())
        self._tar.close()


@contextmanager
def writing(target: BinaryIO, passphrase: bytes) -> Iterator[Writer]:
    """A writer whose archive is complete, manifest included, when the block ends without an exception."""
    sealing = SealingWriter(target, passphrase)
    packed = gzip.GzipFile(fileobj=sealing, mode="wb", compresslevel=_FAST, mtime=0)
    # Closed only without an error: an incomplete archive must not look complete.
    tar = tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_BLOCK)  # noqa: SIM115
    writer = Writer(tar)
    try:
        yield writer
        writer.close()
        packed.close()
        sealing.finish()
    except BaseException:  # also Ctrl-C: nothing incomplete must look complete
        sealing.abandon()
        raise
    writer.length = sealing.length


@contextmanager
def reading(source: BinaryIO, passphrase: bytes) -> Iterator[Iterator[Member]]:
    """The members of an archive, in order; each has to be read before the next one is asked for.

    Names, types and links are checked; after the last member, the manifest has been checked too.

    Raises:
        DamagedBackup: it is not an archive of ours, or it was changed; also while the members are read.
        UnknownBackup, WrongPassphrase: as ``SealedReader``.
    """
    packed = gzip.GzipFile(fileobj=io.BufferedReader(SealedReader(source, passphrase), _BLOCK), mode="rb")
    try:
        with tarfile.open(fileobj=packed, mode="r|", bufsize=_BLOCK) as tar:
            yield _members(tar, packed)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeError) as exc:
        raise DamagedBackup(f"The backup cannot be unpacked: {exc}.") from exc


def _members(tar: tarfile.TarFile, packed: gzip.GzipFile) -> Iterator[Member]:
    digests: dict[str, _Digest] = {}
    links: set[PurePosixPath] = set()
    for number, info in enumerate(tar):
        _check(info, links)
        if (number == 0) != (info.name == ABOUT):
            raise DamagedBackup("The backup does not begin with about.json.")
        if info.name == MANIFEST:
            _compare(tar, info, digests)
            # To the very end, so that the seal of the last chunk is checked too.
            while packed.read(_BLOCK):
                pass
            return
        digest = digests.setdefault(_folder(info.name), _Digest())
        digest.begin(info)
        measured = _Measured(tar.extractfile(info), digest) if info.isreg() else io.BytesIO()
        yield Member(info, measured)  # type: ignore[arg-type]  # it is read only
        while info.isreg() and measured.read(_BLOCK):
            pass
    raise DamagedBackup("The backup ends without its manifest.")


def _check(info: tarfile.TarInfo, links: set[PurePosixPath]) -> None:
    """Refuse what could be written outside of its folder.

    Raises:
        DamagedBackup: an absolute path, one with "..", one through a link, or a device.
    """
    path = PurePosixPath(info.name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in info.name:
        raise DamagedBackup(f"The backup has a member with a path that leaves its folder: {info.name!r}.")
    if not (info.isreg() or info.isdir() or info.issym() or info.islnk()):
        raise DamagedBackup(f"The backup has a member that is neither file, folder nor link: {info.name!r}.")
    if links.intersection(path.parents):
        raise DamagedBackup(f"The backup has a member behind a symbolic link: {info.name!r}.")
    if info.islnk():
        target = PurePosixPath(info.linkname)
        inside = _folder(info.linkname) == _folder(info.name) and ".." not in target.parts
        if not inside or links.intersection((target, *target.parents)):
            raise DamagedBackup(f"The backup has a link that leaves its folder: {info.name!r}.")
    if info.issym():
        if not stays_inside(info):
            raise DamagedBackup(f"The backup has a link that leaves its folder: {info.name!r}.")
        links.add(path)
    if _folder(info.name) in {"", "rows", "files"} and not info.isreg():
        raise DamagedBackup(f"The backup has a member that is not a file: {info.name!r}.")


def stays_inside(info: tarfile.TarInfo) -> bool:
    """Whether a symbolic link points into its own folder, or below it."""
    target = PurePosixPath(info.linkname)
    return bool(target.parts) and not target.is_absolute() and ".." not in target.parts


def _compare(tar: tarfile.TarFile, info: tarfile.TarInfo, digests: dict[str, _Digest]) -> None:
    content = tar.extractfile(info)
    try:
        expected = json.loads(content.read(_LARGEST) if content else b"")
    except ValueError as exc:
        raise DamagedBackup("The manifest of the backup is not JSON.") from exc
    found = {folder: digest.value() for folder, digest in digests.items()}
    if expected != found:
        raise DamagedBackup("What is in the backup is not what its manifest says.")


def _folder(name: str) -> str:
    """The first part of a path; empty for a file at the top."""
    return name.partition("/")[0] if "/" in name else ""
