"""IMAP logins at a running stack: a new mailbox's first successful login, and other users' logins at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Self

from tests.rig.mailclients import Login, Server, trusting

#: Seconds between two attempts. Dovecot answers a failed login a second late, so they overlap.
PACE = 0.05
#: Attempts at once; more would only queue up in a server that has no processor left for them.
AT_ONCE = 25
PATIENCE = 60.0


async def attempt(server: Server, login: Login, context: ssl.SSLContext) -> str:
    """Connects and logs in; returns the server's answer, empty if it closed the connection."""
    reader, writer = await asyncio.open_connection(server.host, server.port(993), ssl=context)
    try:
        await reader.readline()
        writer.write(f'a LOGIN "{login.address}" "{login.password}"\r\n'.encode())
        while line := await reader.readline():
            if line.startswith(b"a "):
                return line.decode().strip()
        return ""
    finally:
        writer.transport.abort()


def wait_until_in(server: Server, login: Login) -> float:
    """Tries every 50 ms without waiting for the answers; returns the ``time.monotonic()`` of the first success.

    Raises:
        AssertionError: no attempt succeeded within a minute.
    """
    return asyncio.run(_first(server, login, trusting()))


async def _first(server: Server, login: Login, context: ssl.SSLContext) -> float:
    inside: list[float] = []
    answers: Counter[str] = Counter()
    succeeded = asyncio.Event()

    async def log_in(number: int) -> None:
        answer = await attempt(server, login, context)
        answers[answer] += 1
        if answer.startswith("a OK") and not inside:
            inside.append(time.monotonic())
            winner.append(number)
            succeeded.set()

    winner: list[int] = []
    tasks: list[asyncio.Task[None]] = []
    deadline = time.monotonic() + PATIENCE
    while not succeeded.is_set():
        if sum(not task.done() for task in tasks) < AT_ONCE:
            tasks.append(asyncio.create_task(log_in(len(tasks))))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(succeeded.wait(), PACE)
        assert time.monotonic() < deadline, f"{login.address} does not get in: {answers}"
    for task in tasks[: winner[0]]:
        task.cancel()
    # Those after it succeed, too: the server computes their hashes whether or not we wait for them.
    await asyncio.gather(*tasks, return_exceptions=True)
    return inside[0]


class Others:
    """Existing users who log in one after another, over and over, each time on a new connection, while it is open."""

    def __init__(self, server: Server, logins: Sequence[Login], pause: float = 0.05) -> None:
        self._server = server
        self._logins = logins
        self._pause = pause
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.seconds: list[float] = []
        self.failures: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        context = trusting()
        for login in itertools.cycle(self._logins):
            started = time.monotonic()
            try:
                answer = asyncio.run(asyncio.wait_for(attempt(self._server, login, context), 20))
            except (OSError, TimeoutError) as exc:
                answer = f"{type(exc).__name__}: {exc}"
            self.seconds.append(time.monotonic() - started)
            if not answer.startswith("a OK"):
                self.failures.append(f"{login.address}: {answer}")
            if self._ended.wait(self._pause):
                return
