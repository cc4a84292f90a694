"""Runs commands in a container over the Engine's raw stream: input, output, exit code and a time limit."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from mailboxes.engine import failures
from mailboxes.engine.asking import Asking
from mailboxes.engine.failures import Refused, absent_is_an_error, must_run
from mailboxes.engine.stream import Stream, StreamBroken, StreamTimeout
from mailboxes.engine.values import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Seconds that the Engine may take to report the exit code after the output has ended.
_SETTLE = 5.0
_NO_PROGRAM = (
    "executable file not found",
    "no such file or directory",
    "permission denied",
    "is a directory",
)


class Commands(Asking):
    """The part of the Docker edge that runs commands; ``Engine`` adds the client and its error handling."""

    def run(
        self,
        name: str,
        argv: Sequence[str],
        *,
        stdin: bytes | Callable[[], bytes] | None = None,
        timeout: float = 30.0,
        user: str = "",
        last_words: bytes = b"",
    ) -> Result:
        """Runs a command in a running container and returns its exit code and output. Any exit code is a result.

        126 and 127 mean that there is no such program. The input is never closed, so the command must know how much
        to read.

        Args:
            stdin: the input, or a function that makes it while the command starts, which takes some 50 ms. If the
                function raises, so does this method; the command then gets no input but the end of it.
            timeout: seconds.
            user: name or uid in the container; empty means the container's own user.
            last_words: what the command prints when it has succeeded and only has to exit. That takes 5 ms, so nobody
                waits for it.

        Raises:
            NotThere: there is no such container.
            NotRunning: the container is not running.
            EngineTimeout: the command took longer than ``timeout``; it may still be running.
            EngineUnreachable: the connection was lost; the command may have received only part of its input.
        """
        deadline = time.monotonic() + timeout
        client = self._client()
        act = f"run {argv[0]} in {name}"
        self._check_container(name)
        with absent_is_an_error(name), must_run(name):
            with self._asking(act):
                command = client.exec_create(name, list(argv), stdin=stdin is not None, user=user)["Id"]
            try:
                with self._asking(act):
                    stream = self._stream(client, command)
            except Refused as exc:
                if not any(phrase in exc.text for phrase in _NO_PROGRAM):
                    raise
                return Result(127, b"", exc.text.encode())
            with ExitStack() as on_error:
                on_error.callback(stream.close)
                stream.last_words = last_words
                data = stdin() if callable(stdin) else stdin or b""
                on_error.pop_all()
            with self._asking(act):
                code = self._converse(client, command, stream, data, deadline)
        if code is None and time.monotonic() >= deadline:
            raise failures.command_timeout(argv[0], name, timeout)
        if code is None:
            raise failures.connection_cut(self._where, name)
        return Result(code, bytes(stream.frames.stdout), bytes(stream.frames.stderr))

    def _stream(self, client: Any, command: str) -> Stream:
        return Stream(client.exec_start(command, socket=True)._response)

    def _converse(
        self, client: Any, command: str, stream: Stream, stdin: bytes, deadline: float
    ) -> int | None:
        """The exit code; None if the time was up, or the connection lost, before it was known."""
        try:
            stream.exchange(stdin, deadline)
            if stream.heard_last_words:
                return 0
            return self._exit_code(client, command, deadline if stream.sent else 0)
        except (StreamTimeout, StreamBroken):
            return None
        finally:
            stream.close()

    def _exit_code(self, client: Any, command: str, deadline: float) -> int | None:
        """Waits for the exit code, which the Engine knows a moment after the output has ended."""
        until = max(deadline, time.monotonic() + _SETTLE)
        pause = 0.005
        while True:
            state = client.exec_inspect(command)
            if not state["Running"] and state["ExitCode"] is not None:
                return int(state["ExitCode"])
            if time.monotonic() >= until:
                return None
            time.sleep(pause)
            pause = min(pause * 2, 0.25)

    def check(
        self,
        name: str,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        timeout: float = 30.0,
        user: str = "",
        what: str = "",
    ) -> Result:
        """Like ``run``, for a command that must succeed.

        Args:
            what: names the command in the error's sentence; empty means the program's name.

        Raises:
            CommandFailed: the exit code is not 0.
        """
        result = self.run(name, argv, stdin=stdin, timeout=timeout, user=user)
        if result.exit_code:
            raise failures.command_failed(what or argv[0], name, result)
        return result
