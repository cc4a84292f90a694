"""Processes of the product that a test controls: a long-lived one, and workers that may be killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

from tests.quazzar.nodes import ROOT, alive, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.console import Console

#: Chooses the moments for kills: KILL_SEED repeats those of another run.
SEED = int(os.environ.get("KILL_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
#: A line is an expression; the answer is its value, or the process id of the child that works it out. With "exec" it
#: is a program, and the answer null.
_SCRIPT = """
import json, os, signal, sys, traceback
import django
django.setup()
from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.provisioning import aliases, domains, mailboxes
from mailboxes.stack import reconcile
from mailboxes.stack import control

def child(source):
    try:
        eval(source)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(0)

forking, programs = sys.argv[1:] == ["fork"], sys.argv[1:] == ["exec"]
if forking:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    source = json.loads(line)
    answer = (os.fork() or child(source)) if forking else exec(source) if programs else eval(source)
    print(json.dumps(answer), flush=True)
"""


class Puppet:
    """Use as a context. No broker answers it, so nobody but the test calls a worker."""

    def __init__(self, console: Console, log: Path, *arguments: str) -> None:
        self.log = log
        with log.open("w") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _SCRIPT, *arguments], cwd=ROOT, text=True, start_new_session=True,
                env={**os.environ, **console.env}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file,
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def do(self, source: str) -> Any:
        """The value of an expression in that process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(source), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        assert answer, f"{source}: {self.log.read_text()[-3000:]}"
        return json.loads(answer)


class Workers(Puppet):
    """Workers that begin at once: an ordinary one needs two seconds before it does anything."""

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


def kill_worker(console: Console, within: float, chance: random.Random) -> None:
    """Kills the worker that the supervisor started, once it is back from the kill before."""
    wait_until(lambda: alive(console.worker()), "the worker is there", 120)
    time.sleep(chance.uniform(0, within))
    console.kill("worker")


def kill_after(pid: int, seconds: float) -> bool:
    """kill -9 after this time; returns whether it was still running."""
    time.sleep(seconds)
    if not alive(pid):
        return False
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid, 10)
    return True
