"""What every mode of the torture has: parts, faults by kind, a way to heal, and checks."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

from tests.rig import Missing
from tests.torture.ledger import Ledger

Fault = Callable[[random.Random], None]


class World:
    """Use as a context: leaving it stops everything that it started.

    Attributes:
        name: the mode.
        directory: everything that it writes lies in here.
        temporary: the TMPDIR of all its programs.
        ledger: what was accepted and what arrived in this round.
    """

    name = ""
    #: How long faults may last before all is healed, in seconds.
    lasts = 2.5
    #: In how many of all rounds nobody helps.
    unaided = 0.08

    def __init__(self) -> None:
        self.stack = contextlib.ExitStack()
        self.ledger = Ledger()
        self.directory = Path(tempfile.mkdtemp(prefix="quazzar-torture-", dir="/tmp"))
        self.directory.chmod(0o755)
        self.stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.temporary = self.directory / "tmp"
        self.temporary.mkdir()
        self.stack.callback(self._end_all)

    def _end_all(self) -> None:
        """End what is left of our programs, wherever the start of one was interrupted: all have our TMPDIR."""
        needle = b"TMPDIR=" + os.fsencode(self.temporary) + b"\0"
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if needle in (entry / "environ").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)

    def build(self) -> None:
        """Start the parts."""
        raise NotImplementedError

    def faults(self) -> Mapping[str, Mapping[str, Fault]]:
        """Kind → name → fault. Each kind is as likely as the others."""
        raise NotImplementedError

    def begin(self, label: str, chance: random.Random) -> None:
        """Start the traffic of a round."""
        raise NotImplementedError

    def heal(self, *, patient: bool) -> None:
        """Take all faults away, and wait until everything works and nothing waits any more.

        Args:
            patient: nobody helps: what waits is found by the product's own sweeps.
        """
        raise NotImplementedError

    def check(self, *, thorough: bool) -> list[str]:
        """What is broken: sentences."""
        raise NotImplementedError

    def output(self) -> str:
        """What the parts have said, for a report."""
        return ""

    def __enter__(self) -> Self:
        try:
            self.build()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()


class Clock:
    """The clock of one machine, whose time of day jumps as when somebody sets it (see clock.c).

    Raises:
        Missing: there is no C compiler.
    """

    def __init__(self, directory: Path) -> None:
        if (compiler := shutil.which("gcc")) is None:
            raise Missing("a C compiler", "gcc")
        library, self._file = directory / "clock.so", directory / "clock"
        source = Path(__file__).with_name("clock.c")
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
        self.environ = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(self._file)}
        self._file.write_bytes(bytes(struct.calcsize("@l")))

    def set(self, seconds: int) -> None:
        """Let it be that far ahead (or, if negative, behind) at once."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("@l", seconds))


class SmallDisk:
    """A file system of its own, which can be filled; use as a context."""

    def __init__(self, place: Path, megabytes: int) -> None:
        self.place, self._megabytes = place, megabytes
        self._filler = place / "filler"

    def __enter__(self) -> SmallDisk:
        if os.geteuid() != 0:
            raise Missing("the right to mount a small disk")
        self.place.mkdir()
        size = f"size={self._megabytes}m,mode=755"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "quazzar-torture", str(self.place)], check=True)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "-l", str(self.place)], check=False)

    def fill(self) -> None:
        """Use up what is free, to the last byte."""
        with self._filler.open("ab") as file, contextlib.suppress(OSError):
            while free := shutil.disk_usage(self.place).free:
                os.posix_fallocate(file.fileno(), file.tell(), free)
                file.seek(0, os.SEEK_END)

    def free(self) -> None:
        """Give it back."""
        self._filler.unlink(missing_ok=True)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """A fault may hit what is down already."""
    with contextlib.suppress(ProcessLookupError, AssertionError):
        yield
