"""Real parts for tests, benchmarks and demonstrations: what they share to start, wait and clean up."""

import contextlib
import fcntl
import functools
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

LOOPBACK = "127.0.0.1"
#: Which of the processes that share the tests this is: 0 to 9.
PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
# Below Linux's ephemeral range, so that no outgoing connection takes the port while its server is down. Each process
# has its own, because a port that is free now is often taken into use seconds later.
PORTS = range(22_000 + 1000 * PROCESS, 23_000 + 1000 * PROCESS)

T = TypeVar("T")


class Missing(RuntimeError):
    """A real part is not on this machine; the message says what to install."""

    def __init__(self, what: str, *packages: str) -> None:
        remedy = f"apt-get install -y {' '.join(packages)}" if packages else "run as root"
        super().__init__(f"{what} is missing: {remedy}")


class NotReady(RuntimeError):
    """A real part was started and did not come up, or did not stop, in its time."""


def or_skip(make: Callable[[], T]) -> T:
    """`make()`, or skip the test when the part is missing; where CI is set, a missing part fails it.

    Raises:
        Missing: the part is missing and CI is set.
    """
    import pytest

    try:
        return make()
    except Missing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


def wait_until(done: Callable[[], bool], timeout: float = 10.0, what: str = "the condition") -> None:
    """Poll until `done()` is true, less and less often: asking costs processor time that others need.

    Raises:
        NotReady: it was not true within `timeout` seconds.
    """
    deadline, pause = time.monotonic() + timeout, 0.02
    while not done():
        if time.monotonic() > deadline:
            raise NotReady(f"{what} did not happen within {timeout:g} s")
        time.sleep(pause)
        pause = min(pause * 1.2, 0.3)


def free_port() -> int:
    """A loopback TCP port that nobody listens on now, and if possible one that no other run was given: its server may
    be down for a moment only."""
    ports = [port for port in random.sample(PORTS, 200) if _is_free(port)]
    if not ports:
        raise NotReady(f"no free port in {PORTS}")
    return next(filter(_claim, ports), ports[0])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return True
    return False


@functools.cache
def _claims() -> int:
    """A file in which each byte stands for a port: who has locked it has the port, until the end of the process."""
    where = Path(tempfile.gettempdir(), f"quazzar-rig-ports-{os.getuid()}")
    return os.open(where, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _claim(port: int) -> bool:
    try:
        fcntl.lockf(_claims(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def listening(port: int) -> bool:
    """Whether somebody listens on this IPv4 loopback port; asked of the kernel, without connecting."""
    wanted = f"0100007F:{port:04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(row[1] == wanted and row[3] == "0A" for row in rows)


def _processes() -> Iterator[tuple[int, int, int]]:
    """Id, parent and group of each live process; zombies that nobody reaped yet do not count."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent, group = entry.read_text().rpartition(")")[2].split()[:3]
            if state not in "ZX":
                yield int(entry.parent.name), int(parent), int(group)


def family(pid: int) -> list[int]:
    """The live processes of the group `pid`, and the children of `pid` that have groups of their own."""
    return [each for each, parent, group in _processes() if pid in (parent, group)]


def as_user(user: str) -> list[str]:
    """The front of a command line that runs the rest as `user`; empty when we are that user."""
    if user == current_user():
        return []
    account = pwd.getpwnam(user)
    return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups", "--"]


def _reachable(directory: Path, user: str) -> bool:
    test = [*as_user(user), "test", "-x", str(directory)]
    return subprocess.run(test, check=False, capture_output=True).returncode == 0


@contextlib.contextmanager
def working_directory(wanted: Path | None, user: str) -> Iterator[Path]:
    """`wanted`, if `user` can enter it and its paths fit a unix socket; else one in /tmp, removed after.

    pytest's own directories are closed to all but the user who runs it, and pytest closes them again.
    """
    if wanted is not None:
        wanted.mkdir(parents=True, exist_ok=True)
        if len(str(wanted)) < 60 and _reachable(wanted, user):
            yield wanted
            return
    directory = Path(tempfile.mkdtemp(prefix="quazzar-rig-", dir="/tmp"))
    try:
        directory.chmod(0o755)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def current_user() -> str:
    """The name of the account we run as; its number where it has no name, as in many containers."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


class ProcessGroup:
    """A child in a session of its own: stopped with what it started, and killed with it if we die first."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        log: Path,
        *,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.log_file, self.stop_signal = log, stop_signal
        with log.open("ab") as output:
            self._child = subprocess.Popen(
                [*as_user(user or current_user()), *map(str, argv)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
            )
        # Not the kernel's parent-death signal: Postfix loses it when it changes its user. The guard's
        # `read` ends when the last copy of our end of the pipe is closed, thus also when we are killed.
        guard = ["sh", "-c", 'read -r end; kill -KILL "-$0"', str(self.pid)]
        self._guard = subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True, cwd="/")

    @property
    def pid(self) -> int:
        """The id of the child and of its group."""
        return self._child.pid

    def alive(self) -> bool:
        return self._child.returncode is None and not self._ended()

    def _ended(self) -> bool:
        # WNOWAIT leaves the zombie, which keeps the group's id ours until the group has been killed.
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def wait_ready(self, ready: Callable[[], bool], timeout: float = 20.0) -> None:
        """Wait until `ready()`.

        Raises:
            NotReady: the process ended or took too long; its last lines are in the message.
        """
        try:
            wait_until(lambda: not self.alive() or ready(), timeout, f"start of {self._child.args!r}")
            if not self.alive():
                raise NotReady(f"{self._child.args!r} ended by itself")
        except NotReady as error:
            self.kill()
            raise NotReady(f"{error}:\n{self.log_file.read_text(errors='replace')[-2000:]}") from error

    def stop(self, timeout: float = 10.0) -> None:
        """Ask the process to stop, and kill what is left of its group."""
        if self._child.returncode is not None:
            return
        os.kill(self.pid, self.stop_signal)
        with contextlib.suppress(NotReady):
            wait_until(self._ended, timeout)
        self.kill()

    def kill(self) -> None:
        """Kill the process, its children and its group at once, and wait until they are gone."""
        if self._child.returncode is not None:
            return
        members = family(self.pid)
        os.killpg(self.pid, signal.SIGKILL)
        for member in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(member, signal.SIGKILL)
        # The guard before the child: once that is reaped, its id may become somebody else's.
        self._guard.kill()
        self._guard.communicate()
        self._child.wait()
        left = {*members, self.pid}
        wait_until(lambda: not any(left & set(ids) for ids in _processes()), 10, f"the end of {left}")


class Running:
    """Something with `start()` and `stop()`, for a `with` statement."""

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Stop for good."""
        self.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Part(Running):
    """A real server: `stop()` or `kill()` it and `start()` it again on the same address with its data."""

    def __init__(self, directory: Path | None, user: str) -> None:
        self._cleanup = contextlib.ExitStack()
        self.dir = self._cleanup.enter_context(working_directory(directory, user))
        self._process: ProcessGroup | None = None

    def stop(self) -> None:
        """Stop in good order; every process of this part is gone on return."""
        if self._process is not None:
            self._process.stop()

    def kill(self) -> None:
        """Kill every process of this part at once, as a crash would."""
        if self._process is not None:
            self._process.kill()

    @property
    def pid(self) -> int | None:
        """The id of the first process, which is also its process group's; None while it does not run."""
        return self._process.pid if self._process is not None and self._process.alive() else None

    def close(self) -> None:
        """Stop, and remove the directory if it is our own."""
        try:
            self.stop()
        finally:
            self._cleanup.close()
