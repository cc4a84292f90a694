"""The copy of the volumes that an upgrade goes back to: inside the volume of the mail, made and put back by a helper.

The helper is a container without a network that is there for a moment only. Mail is hard-linked, so the copy takes
little room whatever the mailboxes hold.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from mailboxes.engine.spec import PROJECT_LABEL, Limits, Mount, ServiceSpec
from quazzar import words
from quazzar.errors import EngineTimeout, NotRunning, NotThere, StackError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailboxes.engine.client import Engine
    from mailboxes.engine.spec import StackSpec

#: Seconds that a helper lives if nobody removes it.
_LIFE = 3600
#: Seconds for a script; a million mails take half a minute.
_PATIENCE = 1800.0
#: Bytes that stay free beside the copy.
_MARGIN = 256 * 1024 * 1024
#: What it needs to copy files of every user, with their owners.
_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID")


class NoRoom(StackError):
    """The volume of the mail has no room for the copy."""

    code = "no_room_for_copy"


class CopyFailed(StackError):
    """The volumes could not be copied, or the copy could not be put back."""

    code = "volume_copy_failed"


@dataclass(frozen=True, slots=True)
class Room:
    """What the copy takes, and what is free. None: the file system does not count files."""

    bytes: int
    files: int
    free_bytes: int
    free_files: int | None

    @property
    def sentence(self) -> str:
        """``The copy takes 3.1 MiB of 40.2 GiB that are free.``"""
        return f"The copy takes {words.size(self.bytes)} of {words.size(self.free_bytes)} that are free."


def measure(engine: Engine, spec: StackSpec) -> Room:
    """How much room the copy takes.

    Raises:
        NoRoom: there is too little.
        StackError: it could not be measured.
    """
    answer = _run(engine, spec, "measure.sh").split()
    needed, count, free, free_files = (int(word) if word.isdecimal() else None for word in answer)
    room = Room(needed or 0, count or 0, free or 0, free_files or None)
    if room.bytes + _MARGIN > room.free_bytes:
        raise NoRoom(
            f"The volume of the mail has {words.size(room.free_bytes)} left, and the copy for the way back needs "
            f"{words.size(room.bytes + _MARGIN)}.",
            hint="Free space where Docker keeps its volumes, and start the upgrade again.",
        )
    if room.free_files is not None and room.files > room.free_files:
        raise NoRoom(
            f"The file system of the mail can hold {room.free_files:,} more files, and the copy for the way back "
            f"needs {room.files:,}.",
            hint="Remove files there, or move Docker's volumes to a larger file system.",
        )
    return room


def save(engine: Engine, spec: StackSpec, number: int) -> None:
    """Copies the volumes; no container of the stack may run. A copy of an earlier upgrade is replaced.

    Raises:
        StackError: it failed; the volumes are as they were.
    """
    _run(engine, spec, "save.sh", str(number))


def restore(engine: Engine, spec: StackSpec, number: int) -> bool:
    """Puts the copy of this upgrade back; no container of the stack may run. Returns False if there is none.

    Raises:
        StackError: it failed; run it again.
    """
    return _run(engine, spec, "restore.sh", str(number)).strip() == "restored"


def drop(engine: Engine, spec: StackSpec) -> None:
    """Removes the copy.

    Raises:
        StackError: it failed.
    """
    _run(engine, spec, "drop.sh")


def _run(engine: Engine, spec: StackSpec, script: str, *arguments: str) -> str:
    argv = ["bash", "-c", _script(script), script, *arguments]
    with _helper(engine, spec) as name:
        result = engine.run(name, argv, timeout=_PATIENCE)
    if result.exit_code:
        said = words.one_line(result.stderr.decode(errors="replace").strip() or "no message", 200)
        raise CopyFailed(
            f"Copying the volumes failed in {script}: {said}",
            hint="Check the disk where Docker keeps its volumes.",
        )
    return result.stdout.decode(errors="replace")


@lru_cache
def _script(name: str) -> str:
    return (files("mailboxes.upgrades") / "scripts" / name).read_text()


@contextmanager
def _helper(engine: Engine, spec: StackSpec) -> Iterator[str]:
    """The name of a running container with all volumes of the stack; an earlier one is ended first."""
    helper = _spec(spec)
    remove_helper(engine, spec)
    engine.create(helper)
    try:
        engine.start(helper.name)
        yield helper.name
    finally:
        with suppress(StackError):  # it ends by itself
            engine.remove(helper.name)


def remove_helper(engine: Engine, spec: StackSpec) -> None:
    """Ends what a killed worker left running.

    Raises:
        StackError: the Engine does not answer.
    """
    with suppress(NotThere, NotRunning, EngineTimeout):
        engine.remove(_spec(spec).name)


def _spec(spec: StackSpec) -> ServiceSpec:
    """The helper: of Dovecot's image, which has the usual tools."""
    dovecot = spec.service("dovecot")
    volume = {kind: f"{spec.project}-mail-{kind}" for kind in ("data", "config", "dkim")}
    return ServiceSpec(
        service="",
        name=f"{spec.project}-upgrade",
        image=dovecot.image,
        pinned=dovecot.pinned,
        hostname="upgrade",
        network="none",
        aliases=(),
        environment=(),
        mounts=tuple(Mount(name, f"/mail-{kind}") for kind, name in volume.items()),
        ports=(),
        command=("sleep", str(_LIFE)),
        healthcheck=None,
        limits=Limits(256, 64, _CAPABILITIES),
        labels=((PROJECT_LABEL, spec.project),),
        stop_grace=1,
        temporary=True,
    )
