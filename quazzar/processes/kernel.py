"""What the kernel does for the supervisor: children die with it, process groups end together, one instance per data
dir."""

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
# Loaded before any fork: after it, only async-signal-safe calls are safe.
_libc = ctypes.CDLL(None, use_errno=True)


class AlreadyRunning(QuazzarError):
    """Another supervisor uses this data dir."""

    code = "already_running"


def die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent dies; exit now if the parent is dead already.

    Every process must call it for itself: the setting survives execve(2), but not fork(2).
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def kill_group(leader: int, number: signal.Signals) -> None:
    """Signal a whole process group, if it still exists."""
    with suppress(ProcessLookupError):
        os.killpg(leader, number)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock file for the time of the block; the kernel frees it however this process ends.

    Raises:
        AlreadyRunning: another process holds it.
    """
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            file.seek(0)
            raise AlreadyRunning(
                f"Quazzar is already running on {path.parent} (process {file.read().strip() or 'unknown'}).",
                hint="Stop that process first, or point QUAZZAR_DATA_DIR at another folder.",
            ) from exc
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
