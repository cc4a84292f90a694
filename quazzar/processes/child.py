"""One program under the supervisor: its process, its output, and when it starts again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quazzar.processes import kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quazzar.processes.output import Output

#: Seconds of running after which earlier failures no longer count.
STEADY = 60.0
#: Seconds without an answer after which the supervisor says so.
SLOW = 10.0
_LONGEST_WAIT = 30.0
_CHUNK = 65536
_TAIL_LINES = 20
#: Failed starts after which a program's old data is assumed to be the cause.
_DATA_SUSPECT = 2


def backoff(failures: int) -> float:
    """Seconds to wait before the next start: 1, 2, 4 … 30."""
    return min(_LONGEST_WAIT, 2.0 ** (failures - 1))


@dataclass(frozen=True)
class Spec:
    """A program to keep running.

    Attributes:
        answers: whether it can be used yet; the programs after it wait for that. None: nothing waits for it.
        drop_data: called when it ended twice before it answered; returns a sentence on what it did.
        quiet: show its output only if it ends by itself.
    """

    name: str
    argv: Sequence[str]
    env: dict[str, str] = field(default_factory=dict)
    pass_fds: tuple[int, ...] = ()
    answers: Callable[[], bool] | None = None
    drop_data: Callable[[], str] | None = None
    quiet: bool = False


class Child:
    """A program, running or waiting for its next start."""

    def __init__(self, spec: Spec, output: Output) -> None:
        self.spec = spec
        self.name = spec.name
        self.process: subprocess.Popen[bytes] | None = None
        self.descriptor = -1
        self.ready = spec.answers is None
        self.start_at = 0.0
        self._output = output
        self._started_at = 0.0
        self._failures = 0
        self._unanswered = 0
        self._reported_slow = False
        self._partial = b""
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)

    def start(self, now: float) -> bool:
        """Start it in a session of its own, so that Ctrl-C reaches only the supervisor; False if that fails."""
        parent = os.getpid()
        try:
            self.process = subprocess.Popen(
                self.spec.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, "QUAZZAR_PROCESS": self.name, **self.spec.env},
                pass_fds=self.spec.pass_fds,
                start_new_session=True,
                preexec_fn=lambda: kernel.die_with(parent),  # noqa: PLW1509  (there are no threads)
            )
        except OSError as exc:
            self._wait(now, f"cannot be started ({exc.strerror}: {exc.filename})")
            return False
        assert self.process.stdout is not None
        self.descriptor = self.process.stdout.fileno()
        os.set_blocking(self.descriptor, False)
        self._started_at, self._reported_slow = now, False
        self._tail.clear()
        self.say(f"started (process {self.process.pid})")
        return True

    def say(self, sentence: str, level: str = "info") -> None:
        """Print a sentence about this program."""
        self._output.state(self.name, sentence, level)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program and everything it started."""
        if self.process is not None:
            kernel.kill_group(self.process.pid, number)

    def pump(self) -> bool:
        """Print what it has written, line by line; returns False once no more can come."""
        while True:
            try:
                chunk = os.read(self.descriptor, _CHUNK)
            except BlockingIOError:
                return True
            *lines, self._partial = (self._partial + chunk).split(b"\n")
            if self._partial and (not chunk or len(self._partial) > _CHUNK):
                lines, self._partial = [*lines, self._partial], b""
            self._show([line.decode(errors="replace") for line in lines])
            if not chunk:
                return False

    def _show(self, lines: list[str]) -> None:
        if self.spec.quiet:
            self._tail.extend(lines)
        else:
            self._output.lines(self.name, lines)

    def has_ended(self) -> bool:
        """Whether it was started and its process has ended."""
        return self.process is not None and self.process.poll() is not None

    def clear_away(self) -> int:
        """After its end, print the rest of its output and kill what it left behind.

        Returns:
            Its exit code, or the negative number of the signal that ended it.
        """
        assert self.process is not None and self.process.stdout is not None
        # Processes that it started would hold on to the pipe and the port.
        kernel.kill_group(self.process.pid, signal.SIGKILL)
        self.pump()
        self.process.stdout.close()
        code = self.process.returncode
        self.process, self.descriptor = None, -1
        return code

    def plan_restart(self, now: float, code: int) -> None:
        """Report that it ended by itself, and plan its next start."""
        if now - self._started_at >= STEADY:
            self._failures = 0
        self._unanswered = 0 if self.ready else self._unanswered + 1
        self.ready = self.spec.answers is None
        self._output.lines(self.name, self._tail)
        self._wait(now, f"ended unexpectedly ({_reason(code)})")
        if self.spec.drop_data and self._unanswered == _DATA_SUSPECT:
            self.say(self.spec.drop_data(), "warning")

    def _wait(self, now: float, what: str) -> None:
        self._failures += 1
        self.start_at = now + backoff(self._failures)
        self.say(f"{what}; next start in {backoff(self._failures):.0f} s", "warning")

    def look(self, now: float) -> None:
        """Check whether a program that others wait for answers yet."""
        if self.ready or self.process is None or self.spec.answers is None:
            return
        if self.spec.answers():
            self.ready = True
            self.say("answers")
        elif now - self._started_at > SLOW and not self._reported_slow:
            self._reported_slow = True
            self.say(f"has not answered for {SLOW:.0f} s; the other processes wait for it", "warning")


def _reason(code: int) -> str:
    try:
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
