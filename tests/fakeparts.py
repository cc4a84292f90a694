"""Containers, networks and volumes of the fake Engine (tests/fakes.py), and the commands that it was asked to run."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from mailboxes.engine.logstream import LogEnded, LogLine
from mailboxes.engine.spec import ServiceSpec
from mailboxes.engine.values import PutFile, Result
from quazzar.errors import QuazzarError


@dataclass(frozen=True)
class Ran:
    """A command that was run in a container."""

    name: str
    argv: tuple[str, ...]
    stdin: bytes | None = None
    user: str = ""


#: The answer to a scripted command.
Reply = Result | QuazzarError | Callable[[Ran], Result]


@dataclass
class FakeContainer:
    """A container; ``files`` are those outside its volumes."""

    spec: ServiceSpec
    id: str
    image_id: str
    status: str = "created"
    health: str = "none"
    started_at: str = "0001-01-01T00:00:00Z"
    exit_code: int | None = None
    address: str = ""
    files: dict[str, PutFile] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)


class FakeLogStream:
    """The log of a fake container as a stream: the lines that a test adds; it ends when the container stops."""

    def __init__(self, box: FakeContainer, since_ns: int) -> None:
        self._box, self._since, self._next = box, since_ns, 0
        self.closed = False

    def read(self, most: int = 0) -> list[LogLine]:
        found = self._box.lines[self._next :]
        self._next += len(found)
        if not found and self._box.status != "running":
            raise LogEnded
        return [line for line in found if line.at_ns >= self._since]

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeNetwork:
    """A network; ``number`` is the third byte of its addresses."""

    labels: Mapping[str, str]
    number: int


@dataclass
class FakeVolume:
    """A volume; the keys of ``files`` are paths below its root."""

    labels: Mapping[str, str]
    files: dict[str, PutFile] = field(default_factory=dict)


def tar_of(files: dict[str, PutFile], root: str) -> Iterator[bytes]:
    """A tar stream of a folder with these files, as the Engine sends it: in small portions, sorted by path."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        top = tarfile.TarInfo(root)
        top.type = tarfile.DIRTYPE
        tar.addfile(top)
        for path, file in sorted(files.items()):
            info = tarfile.TarInfo(f"{root}/{path}")
            info.size, info.mode, info.uid, info.gid = len(file.data), file.mode, file.uid, file.gid
            tar.addfile(info, io.BytesIO(file.data))
    content = buffer.getvalue()
    return (content[start : start + 777] for start in range(0, len(content), 777))


def files_of(content: bytes) -> dict[str, PutFile]:
    """The files in a tar stream by their paths."""
    found = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for info in tar:
            data = tar.extractfile(info) if info.isreg() else None
            if data is not None:
                found[info.name] = PutFile(info.name, data.read(), info.mode, info.uid, info.gid)
    return found
