"""A supervisor in a process of its own, watched through its output."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 240.0
_STARTED = re.compile(r"^(\w+) +\| » started \(process (\d+)\)")


def wait_until(true: Callable[[], object], what: str, seconds: float = DEADLINE) -> None:
    """Poll until it is true, less and less often: asking costs processor time that others need; fail with a
    sentence at the deadline."""
    deadline = time.monotonic() + seconds
    pause = 0.02
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(pause)
        pause = min(pause * 1.2, 0.3)


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def descendants(pid: int) -> set[int]:
    """All living processes below this one."""
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        direct = {int(child) for task in tasks for child in (task / "children").read_text().split()}
    except (FileNotFoundError, ProcessLookupError):
        return set()
    return direct.union(*(descendants(child) for child in direct))


class Node:
    """Use as a context: whatever happens, nothing of it is left running."""

    def __init__(self, argv: Sequence[str], env: dict[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            argv,
            cwd=ROOT,
            env={**os.environ, "QUAZZAR_LOG_FORMAT": "text", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(line.rstrip("\n") for line in self.process.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        family = descendants(self.process.pid) | {self.process.pid}
        for pid in family:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def says(self, sentence: str) -> None:
        """Wait for this in the output."""
        wait_until(lambda: sentence in self.text or self.process.poll() is not None, sentence)
        if self.process.poll() is not None:
            self._reader.join(DEADLINE)
        assert sentence in self.text, self.text

    def pids(self, name: str) -> list[int]:
        """The processes that were started under this name, oldest first."""
        started = (_STARTED.match(line) for line in self.lines)
        return [int(match[2]) for match in started if match and match[1] == name]

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ask it to stop; its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return code


def fake_node(tmp_path: Path, programs: str) -> Node:
    """A supervisor over harmless programs; ``programs`` is Python that builds a list of Spec."""
    script = tmp_path / "node.py"
    script.write_text(
        "import os, pathlib, sys, quazzar.processes.supervisor as s\n"
        "from quazzar.processes.child import Spec\nfrom quazzar.processes.output import Output\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "def program(name, code, **more): return Spec(name, (sys.executable, '-u', '-c', code), **more)\n"
        f"{programs}\nsys.exit(s.Supervisor(specs, Output('text')).run())\n"
    )
    return Node([sys.executable, str(script)], {"PYTHONPATH": str(ROOT)})
