"""What the Docker Engine in memory (tests/fakes.py) holds, and what it was asked to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

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


#: What a scripted command answers.
Reply = Result | QuazzarError | Callable[[Ran], Result]


@dataclass
class FakeContainer:
    """A container; ``files`` are those of its own layer."""

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


@dataclass
class FakeNetwork:
    """A network."""

    labels: Mapping[str, str]
    number: int


@dataclass
class FakeVolume:
    """A volume; ``files`` by their path below its root."""

    labels: Mapping[str, str]
    files: dict[str, PutFile] = field(default_factory=dict)
