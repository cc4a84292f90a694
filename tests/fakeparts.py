"""Containers, networks and volumes of the fake Engine (tests/fakes.py), and the commands that it was asked to run."""

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
