"""Keeps broker, web and worker running in the foreground. Standard library only, to stay small."""

from __future__ import annotations

import argparse
import os
import selectors
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from quazzar.errors import QuazzarError
from quazzar.monitoring import logs
from quazzar.processes import broker, ports
from quazzar.processes.child import Child, Spec
from quazzar.processes.kernel import exclusive
from quazzar.processes.output import Output

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How many seconds a child has to end after SIGTERM.
STOP_GRACE = 10.0
#: Beat first, so that no new tasks come; the broker last, so that the worker can return its tasks.
STOP_ORDER = ("beat", "web", "worker", "broker")
#: What a machine can run besides the broker, in the order in which they start.
ROLES = ("web", "worker", "beat")
_GATE_POLL = 0.05
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Starts children in order, restarts those that end, and stops all in STOP_ORDER."""

    def __init__(self, specs: Sequence[Spec], output: Output) -> None:
        self.children = [Child(spec, output) for spec in specs]
        self._output = output
        self._stops = 0
        self._selector = selectors.DefaultSelector()
        self._wake, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake, selectors.EVENT_READ)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        # Only a signal with a handler wakes the loop, so the end of a child needs one.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in _STOP_SIGNALS:
            signal.signal(number, self._ask_to_stop)

    def _ask_to_stop(self, *_: object) -> None:
        self._stops += 1

    def run(self) -> int:
        """Run until asked to stop; returns the exit code 0 once all children have ended."""
        while not self._stops:
            now = time.monotonic()
            self._reap(now)
            self._start_due(now)
            self._turn(self._patience(now))
        self._output.state("quazzar", "stopping; press Ctrl-C again to kill")
        for child in sorted(self.children, key=lambda child: STOP_ORDER.index(child.name)):
            self._stop(child)
        self._output.state("quazzar", "stopped")
        return 0

    def _start_due(self, now: float) -> None:
        for child in self.children:
            if child.process is None and child.start_at <= now and child.start(now):
                self._selector.register(child.descriptor, selectors.EVENT_READ, child)
            child.look(now)
            if not child.ready:
                return  # the children after it need it

    def _patience(self, now: float) -> float | None:
        """How many seconds to sleep if nothing happens: until the next start, or briefly while a child is awaited."""
        if any(child.process and not child.ready for child in self.children):
            return _GATE_POLL
        waits = [child.start_at - now for child in self.children if child.process is None]
        return max(0.0, min(waits)) if waits else None

    def _turn(self, timeout: float | None) -> None:
        """Wait for output, a signal or the timeout, and print the output."""
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                os.read(self._wake, 512)
            elif not key.data.pump():
                self._selector.unregister(key.fd)

    def _reap(self, now: float) -> None:
        for child in self.children:
            if child.has_ended():
                if child.descriptor in self._selector.get_map():
                    self._selector.unregister(child.descriptor)
                code = child.clear_away()
                if not self._stops:
                    child.plan_restart(now, code)

    def _stop(self, child: Child) -> None:
        if child.process is None:
            return
        child.signal(signal.SIGTERM)
        asked, deadline = self._stops, time.monotonic() + STOP_GRACE
        while child.process is not None:
            left = deadline - time.monotonic()
            if left <= 0 or self._stops > asked:
                child.say("did not stop in time and is killed", "warning")
                child.signal(signal.SIGKILL)
                asked, deadline = self._stops, time.monotonic() + STOP_GRACE
            self._turn(max(0.0, left))
            self._reap(time.monotonic())
        child.say("stopped")


def broker_spec(sock: Path) -> Spec:
    """The embedded broker on this socket.

    Raises:
        BrokerUnavailable: it cannot run here.
    """

    def drop_data() -> str:
        moved = ", ".join(str(path) for path in broker.set_aside(sock))
        return (
            f"cannot load its old data, so it was moved aside: {moved or 'nothing'}. Nothing is lost: the "
            "queue is in the database."
        )

    return Spec(
        "broker",
        (broker.executable(), str(broker.prepare(sock))),
        answers=lambda: broker.ping(sock),
        drop_data=drop_data,
        quiet=True,
    )


def python_specs(listener_fd: int, roles: Sequence[str] = ROLES) -> list[Spec]:
    """Those of the web server (on this listening socket), the worker and beat that this machine runs.

    A worker runs beat, too: on its own it would take 45 MB of memory.
    """
    # -P: do not import from the operator's current directory.
    python = (sys.executable, "-P", "-m")
    parts = {role: Spec(role, (*python, f"quazzar.processes.{role}")) for role in ROLES if role in roles}
    if "web" in parts:
        listener = {"QUAZZAR_LISTEN_FD": str(listener_fd)}
        parts["web"] = replace(parts["web"], env=listener, pass_fds=(listener_fd,))
    if "worker" in parts:
        parts.pop("beat", None)  # QUAZZAR_ROLES tells the worker
    return list(parts.values())


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="manage.py up")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=ROLES, default=ROLES)
    parser.add_argument("--broker-socket", type=Path, help="without it no broker is started")
    return parser.parse_args(argv)


def _locks(roles: Sequence[str]) -> list[str]:
    """The lock files: one for the whole, or one for each part, which may run side by side."""
    return ["up.lock"] if set(roles) == set(ROLES) else [f"up-{role}.lock" for role in sorted(roles)]


def main(argv: Sequence[str] | None = None) -> int:
    """Run until stopped; returns the exit code."""
    options = _options(argv)
    form = os.environ.setdefault("QUAZZAR_LOG_FORMAT", logs.log_format(sys.stdout))
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    os.environ["QUAZZAR_ROLES"] = " ".join(options.only)
    os.umask(0o077)  # the children inherit it
    try:
        with ExitStack() as stack:
            for name in _locks(options.only):
                stack.enter_context(exclusive(options.data_dir / name))
            listener_fd = -1
            if "web" in options.only:
                listener_fd = stack.enter_context(ports.listen(options.host, options.port)).fileno()
            specs = [broker_spec(options.broker_socket)] if options.broker_socket else []
            specs += python_specs(listener_fd, options.only)
            return Supervisor(specs, Output(form)).run()
    except QuazzarError as exc:
        print(f"{exc.message} {exc.hint}", file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main())
