"""What the kernel does for a supervisor: children die with it, groups end whole, one instance a data dir."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from quazzar.errors import QuazzarError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PR_SET_PDEATHSIG = 1
# Loaded here and not after a fork: only async-signal-safe work is sound there.
_libc = ctypes.CDLL(None, use_errno=True)


class AlreadyRunning(QuazzarError):
    """Another supervisor holds this data dir."""

    code = "already_running"


def die_with(parent: int) -> None:
    """Have the kernel kill the calling process when its parent does; exit now if that already happened.

    Every process calls it for itself: fork(2) clears the wish, execve(2) keeps it.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def kill_group(leader: int, number: signal.Signals) -> None:
    """Signal a whole process group; one that is gone is no error."""
    with suppress(ProcessLookupError):
        os.killpg(leader, number)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file while inside; the kernel frees it however this process ends.

    Raises:
        AlreadyRunning: another process holds it.
    """
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            file.seek(0)
            raise AlreadyRunning(
                f"Quazzar already runs on {path.parent} (process {file.read().strip() or 'unknown'}).",
                hint="Stop that one first, or point QUAZZAR_DATA_DIR at another folder.",
            ) from exc
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
