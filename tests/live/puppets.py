"""Processes of the product that a test tells what to do: one that lives long, and workers that may be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

from tests.quazzar.nodes import ROOT, alive, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.live.console import Console

#: One expression a line comes in; its value goes out, or the process id of the child that works it out.
_SCRIPT = """
import json, os, signal, sys
import django
django.setup()
from mailboxes import engine, provisioning, stacksettings
from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.stack import reconcile
forking = sys.argv[1:] == ["fork"]
if forking:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    source = json.loads(line)
    pid = os.fork() if forking else 0
    if pid:
        answer = pid
    else:
        answer = eval(source)
        if forking:
            os._exit(0)
    print(json.dumps(answer), flush=True)
"""


class Puppet:
    """Use as a context. Its own broker does not answer, so nobody but the test brings changes into the stack."""

    def __init__(self, console: Console, log: Path, *arguments: str) -> None:
        self._log = log.open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SCRIPT, *arguments], cwd=ROOT, text=True, env={**os.environ, **console.env},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def do(self, source: str) -> Any:
        """The value of an expression in that process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(source), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, f"{source} failed, see {self._log.name}"
        return json.loads(answer)


class Workers(Puppet):
    """Starts workers at once: an ordinary one would need two seconds before it does anything."""

    def __init__(self, console: Console, log: Path) -> None:
        super().__init__(console, log, "fork")

    def start(self, source: str = "reconcile.converge()") -> int:
        """The process id of a worker that does this."""
        return int(self.do(source))

    def finish(self, source: str = "reconcile.converge()", seconds: float = 240) -> None:
        """A worker that is left alone."""
        wait_gone(self.start(source), seconds)


def wait_gone(pid: int, seconds: float = 240) -> None:
    """Wait until the process has ended."""
    wait_until(lambda: not alive(pid), f"the end of process {pid}", seconds)


def kill_after(pid: int, seconds: float, *, unless: Callable[[], bool] = lambda: False) -> bool:
    """kill -9 after this time; whether it still ran. ``unless``: asked just before."""
    wait_for = float(seconds)
    end = _monotonic() + wait_for
    while alive(pid) and _monotonic() < end:
        _pause()
    if not alive(pid) or unless():
        return False
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid, 10)
    return True
