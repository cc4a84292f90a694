"""What ``manage.py backup --mail`` adds: the volume with all mail and Postfix's queue, while both are in use.

The content of the other volumes is generated from the rows.
"""

from __future__ import annotations

import copy
import tarfile
import time
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Greatest

from mailboxes import changes
from mailboxes.engine import connect
from mailboxes.engine.spec import PROJECT_LABEL, Limits, Mount, ServiceSpec
from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.stack import lock
from mailboxes.stack.blueprint import services
from mailboxes.volumes import streams
from quazzar.backups.archive import stays_inside
from quazzar.backups.failures import BackupError, NodeNotEmpty
from quazzar.errors import NotThere

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailboxes.engine.client import Engine
    from quazzar.backups.archive import Member, Writer

NAME = "mail"
#: Where the volume is mounted in the container that is made for copying and never started.
_MOUNT = "mail-data"
_QUEUE = ".postfix-queue"
#: The copy for the way back from an upgrade, see upgrades/scripts.
_COPY = ".quazzar-upgrade"
#: The directories of Postfix's queue that hold mail.
_WAITING = frozenset({"active", "deferred", "hold", "incoming", "maildrop"})
#: Seconds to wait until the worker leaves the stack alone.
_PATIENCE = 120.0


def size() -> int:
    """The size of the mail, as last measured."""
    return int(Mailbox.objects.aggregate(total=models.Sum("usage_bytes"))["total"] or 0)


def save(writer: Writer) -> None:
    """Adds the volume. Nothing if there is none: then there never was a mail server.

    The queue comes first, and Postfix stands still meanwhile, so that no mail moves past the copy. A mail that Postfix
    delivers after that is in the archive twice rather than not at all. Dovecot goes on: it never changes a mail that it
    has written.

    Raises:
        StackError: the Docker Engine does not answer, or lacks the image of Dovecot.
        BackupError: the worker is busy with the stack for minutes, or the copy was cut off.
    """
    with connect.to_docker() as engine:
        if _volume() not in engine.volumes(settings.QUAZZAR_STACK_PROJECT):
            return
        with _carrier(engine) as carrier:
            # A stack that was never started has no queue.
            with (
                suppress(NotThere),
                _undisturbed(),
                engine.paused(f"{settings.QUAZZAR_STACK_PROJECT}-postfix"),
            ):
                _copy(engine.read_folder(carrier, f"/{_MOUNT}/{_QUEUE}"), writer, within="")
            _copy(engine.read_folder(carrier, f"/{_MOUNT}"), writer, within=_MOUNT)
    changes.ring()


def _copy(portions: Iterator[bytes], writer: Writer, within: str) -> None:
    """Adds the relevant members of a stream; ``within`` names the folder that its paths begin with."""
    try:
        for info, content in streams.unpacked(portions):
            path = PurePosixPath(info.name).relative_to(within)
            is_queue = path.parts[:1] == (_QUEUE,)
            if not path.parts or (within and is_queue) or not _is_kept(info, path):
                continue
            info.name = f"{NAME}/{path}"
            if info.islnk():
                info.linkname = f"{NAME}/{PurePosixPath(info.linkname).relative_to(within)}"
            writer.copy(info, _Whole(content, info.size))
    except tarfile.TarError as exc:
        raise BackupError(f"The copy of the mail was cut off: {exc}.", hint="Run it again.") from exc


class _Whole:
    """The content of a member, which must be as long as the member says."""

    def __init__(self, content: Any, size: int) -> None:
        self._content = content
        self._left = size

    def read(self, size: int = -1) -> bytes:
        block: bytes = self._content.read(size)
        self._left -= len(block)
        if not block and self._left:
            raise tarfile.ReadError("a file ends too early")
        return block


def _is_kept(info: tarfile.TarInfo, path: PurePosixPath) -> bool:
    """Whether it is mail or belongs to it: no socket, no pipe, no link to elsewhere, no file of a process."""
    if path.parts[0] == _COPY:
        return False
    if path.parts[0] == _QUEUE and path.parts[1:2] == ("pid",):
        return info.isdir()
    return info.isreg() or info.isdir() or info.islnk() or (info.issym() and stays_inside(info))


def check() -> None:
    """Refuse to restore over mail that is there.

    Raises:
        NodeNotEmpty: the volume holds mail.
        StackError: the Docker Engine does not answer.
    """
    with connect.to_docker() as engine:
        if _volume() not in engine.volumes(settings.QUAZZAR_STACK_PROJECT):
            return
        with _carrier(engine) as carrier:
            for info, _ in streams.unpacked(engine.read_folder(carrier, f"/{_MOUNT}")):
                parts = PurePosixPath(info.name).parts[1:]
                if info.isreg() and (parts[0] != _QUEUE or parts[1] in _WAITING):
                    raise NodeNotEmpty(
                        f"The volume {_volume()} holds mail.",
                        hint="Use --replace, which removes it, or --without-mail, which leaves it as it is.",
                    )


def fill(members: Iterator[Member], replace: bool) -> None:
    """Fills the volume, which is made if there is none. The stack finds it, and gives everything its owner.

    Args:
        replace: remove the stack, and what the volume holds, before.

    Raises:
        StackError: the Docker Engine does not answer, or cannot get the image of Dovecot.
    """
    project = settings.QUAZZAR_STACK_PROJECT
    with connect.to_docker() as engine:
        if replace:
            for state in engine.containers(project).values():
                engine.stop(state.name, 20)
                engine.remove(state.name)
            for volume in services.for_hostname("").volumes:
                engine.remove_volume(volume)
        with _carrier(engine) as carrier:
            engine.write_folder(carrier, f"/{_MOUNT}", streams.packed(map(_stripped, members)))


def _stripped(member: Member) -> tuple[tarfile.TarInfo, Any]:
    info = copy.copy(member.info)
    info.name = str(PurePosixPath(info.name).relative_to(NAME))
    info.pax_headers = {}
    if info.islnk():
        info.linkname = str(PurePosixPath(info.linkname).relative_to(NAME))
    return info, member.content


def settle() -> None:
    """Turns the restored rows into those of a stack that is about to be brought up.

    Its generation becomes later than any that a volume can have seen: else old files would keep the restored rows out.
    """
    stack = Stack.objects.filter(pk=1)
    stack.update(
        services=[],
        parts={},
        pending=[],
        interruption_allowed=False,
        applied_generation=0,
        desired_generation=Greatest("desired_generation", int(time.time())),
        mail_queue=None,
        last_error=None,
    )
    stack.filter(enabled=True).update(
        phase=Stack.Phase.PREFLIGHT, step=0, steps=0, percent=0, progress_message=""
    )
    for model in (Domain, Mailbox, Alias):
        model.objects.exclude(applied_at=None, live_at=None).update(applied_at=None, live_at=None)


def _volume() -> str:
    return f"{settings.QUAZZAR_STACK_PROJECT}-mail-data"


@contextmanager
def _carrier(engine: Engine) -> Iterator[str]:
    """A container that has the volume and is never started: the Engine reads and writes files through it."""
    project = settings.QUAZZAR_STACK_PROJECT
    labels = ((PROJECT_LABEL, project),)
    spec = ServiceSpec(
        service="",
        name=f"{project}-backup",
        image=settings.QUAZZAR_IMAGE_DOVECOT,
        hostname="backup",
        network="none",
        aliases=(),
        environment=(),
        mounts=(Mount(_volume(), f"/{_MOUNT}"),),
        ports=(),
        command=("true",),
        healthcheck=None,
        limits=Limits(64, 16, ()),
        labels=labels,
        stop_grace=1,
    )
    if engine.image_id(spec.image) is None:
        engine.pull(spec.image, lambda percent, sentence: None)
    engine.ensure_volume(_volume(), dict(labels))
    engine.remove(spec.name)  # by a run that was killed
    engine.create(spec)
    try:
        yield spec.name
    finally:
        engine.remove(spec.name)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """The worker leaves the stack alone during this, because it would restart a paused container.

    Raises:
        BackupError: it is busy for too long.
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        with lock.single_writer() as mine:
            if mine:
                yield
                return
        if time.monotonic() > deadline:
            raise BackupError("The worker is busy with the mail server.", hint="Try again in some minutes.")
        time.sleep(0.2)
