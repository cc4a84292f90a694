"""Commands in a running container: input, output, exit code and a time limit over the engine's raw stream."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from mailboxes.engine import failures as enginefailures
from mailboxes.engine.failures import Refused
from mailboxes.engine.stream import Stream, StreamBroken, StreamTimeout
from mailboxes.engine.values import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

#: Seconds for a command's exit code to come in after its output has ended.
_SETTLE = 5.0
_NO_PROGRAM = (
    "executable file not found",
    "no such file or directory",
    "permission denied",
    "is a directory",
)


class Commands(ABC):
    """The part of the edge that runs commands; how the engine is asked is the other part's."""

    _where: str

    @abstractmethod
    def _client(self, timeout: float = 0) -> Any: ...

    @abstractmethod
    def _asking(self, act: str) -> AbstractContextManager[None]: ...

    def run(
        self,
        name: str,
        argv: Sequence[str],
        *,
        stdin: bytes | Callable[[], bytes] | None = None,
        timeout: float = 30.0,
        user: str = "",
    ) -> Result:
        """Runs a command in a running container. An exit code is an answer, whatever it is; 126 and 127 mean that
        there is no such program. The input does not end: the command must know how much it reads.

        Args:
            stdin: the input, or what makes it while the command starts, which takes some 50 ms. What that raises is
                raised here; the command has then got no input, and its input has ended.

        Raises:
            NotThere: there is no such container.
            NotRunning: it does not run.
            EngineTimeout: the command took longer than ``timeout`` seconds; it may still go on.
            EngineUnreachable: the connection was cut; the command may have got a part of its input only.
        """
        deadline = time.monotonic() + timeout
        client = self._client()
        act = f"run {argv[0]} in {name}"
        with enginefailures.absent_is_an_error(name), enginefailures.must_run(name):
            with self._asking(act):
                command = client.exec_create(name, list(argv), stdin=stdin is not None, user=user)["Id"]
            try:
                with self._asking(act):
                    stream = self._stream(client, command)
            except Refused as exc:
                if not any(each in exc.text for each in _NO_PROGRAM):
                    raise
                return Result(127, b"", exc.text.encode())
            with ExitStack() as without_input:
                without_input.callback(stream.close)
                data = stdin() if callable(stdin) else stdin or b""
                without_input.pop_all()
            with self._asking(act):
                code = self._converse(client, command, stream, data, deadline)
        if code is None and time.monotonic() >= deadline:
            raise enginefailures.too_long(argv[0], name, timeout)
        if code is None:
            raise enginefailures.cut(self._where, name)
        return Result(code, bytes(stream.frames.stdout), bytes(stream.frames.stderr))

    def _stream(self, client: Any, command: str) -> Stream:
        return Stream(client.exec_start(command, socket=True)._response)

    def _converse(
        self, client: Any, command: str, stream: Stream, stdin: bytes, deadline: float
    ) -> int | None:
        """The exit code; None when there is none, in time or for ever."""
        try:
            stream.exchange(stdin, deadline)
            return self._exit_code(client, command, deadline if stream.sent else 0)
        except (StreamTimeout, StreamBroken):
            return None
        finally:
            stream.close()

    def _exit_code(self, client: Any, command: str, deadline: float) -> int | None:
        """Waits for it: the engine notes it a moment after the output has ended."""
        until = max(deadline, time.monotonic() + _SETTLE)
        pause = 0.005
        while True:
            seen = client.exec_inspect(command)
            if not seen["Running"] and seen["ExitCode"] is not None:
                return int(seen["ExitCode"])
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
        """As ``run``, for a command that must succeed.

        Raises:
            CommandFailed: it ended with another exit code than 0; the sentence says ``what`` failed.
        """
        result = self.run(name, argv, stdin=stdin, timeout=timeout, user=user)
        if result.exit_code:
            raise enginefailures.command(what or argv[0], name, result)
        return result
