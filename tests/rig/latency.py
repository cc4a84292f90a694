"""A TCP proxy that makes a near server far: every byte arrives half a round trip later, none is throttled."""

import argparse
import asyncio
import collections
import selectors
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.rig import LOOPBACK, NotReady, Running

ROOT = Path(__file__).parents[2]
MOST_IN_TRANSIT = 4 << 20


class Direction:
    """Bytes on their way to one end, each due `delay` seconds after it came in."""

    def __init__(self, delay: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._delay = delay
        self._due: collections.deque[tuple[float, bytes]] = collections.deque()
        self._size = 0
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False
        self.back: Direction | None = None
        self.source: asyncio.Transport | None = None
        self.target: asyncio.Transport | None = None

    def put(self, data: bytes) -> None:
        """Take bytes, or the end of the stream as b""."""
        self._due.append((self._loop.time() + self._delay, data))
        self._size += len(data)
        if self.source is not None and self._size > MOST_IN_TRANSIT:
            self.source.pause_reading()
        self._arm()

    def open(self, target: asyncio.Transport) -> None:
        """Begin to deliver: what is due already leaves at once."""
        self.target = target
        self._arm()

    def _arm(self) -> None:
        if self._timer is None and self.target is not None and self._due:
            self._timer = self._loop.call_at(self._due[0][0], self._flush)

    def _flush(self) -> None:
        self._timer = None
        target, ready = self.target, []
        while self._due and self._due[0][0] <= self._loop.time():
            ready.append(self._due.popleft()[1])
        self._size -= sum(map(len, ready))
        if target is not None and not target.is_closing():
            target.write(b"".join(ready))
            if ready and not ready[-1]:
                self._end(target)
        if self.source is not None and not self.source.is_closing() and self._size < MOST_IN_TRANSIT:
            self.source.resume_reading()
        self._arm()

    def _end(self, target: asyncio.Transport) -> None:
        target.write_eof()
        self._ended = True
        if self.back is not None and self.back._ended:
            for end in (self.source, target):
                if end is not None:
                    end.close()


class End(asyncio.Protocol):
    """One end of a proxied connection: reads into `outward`, closes its peer when it is lost."""

    def __init__(self, outward: Direction, opened: Callable[[asyncio.Transport], None]) -> None:
        self._outward, self._opened = outward, opened

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._outward.source = transport
        self._opened(transport)

    def data_received(self, data: bytes) -> None:
        self._outward.put(data)

    def eof_received(self) -> bool:
        self._outward.put(b"")
        return True

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None and self._outward.target is not None:
            self._outward.target.abort()


class Relayed:
    """One client's connection and the one to the server behind it."""

    def __init__(self, server: tuple[str, int], delay: float) -> None:
        self._server, self._delay = server, delay
        self._to_server, self._to_client = Direction(delay), Direction(delay)
        self._to_server.back, self._to_client.back = self._to_client, self._to_server
        self._task: asyncio.Task[None] | None = None

    def client_end(self) -> End:
        return End(self._to_server, self._client_came)

    def _client_came(self, transport: asyncio.Transport) -> None:
        self._to_client.open(transport)
        self._task = asyncio.get_running_loop().create_task(self._connect(transport))

    async def _connect(self, client: asyncio.Transport) -> None:
        # The kernel has answered the client's SYN at once. From afar SYN, SYN-ACK and ACK take three
        # half round trips before the server's program sees the connection.
        await asyncio.sleep(3 * self._delay)
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: End(self._to_client, self._to_server.open), *self._server)
        except OSError:
            client.abort()


async def _serve(server: tuple[str, int], delay: float) -> None:
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        lambda: Relayed(server, delay).client_end(), LOOPBACK, 0, backlog=1024
    )
    print(listener.sockets[0].getsockname()[1], flush=True)
    # Our parent holds the other end of stdin: it closes when the parent stops us, and when it dies.
    await loop.run_in_executor(None, sys.stdin.read)


class LatencyProxy(Running):
    """A proxy process on 127.0.0.1 in front of a server, as far away as `rtt` seconds there and back.

    It costs what a real distance costs: a new connection's greeting comes after two round trips, each
    command and its reply take one, and pipelined commands share one. Bandwidth is not limited. While
    the server is down a client is accepted and then reset, not refused.
    """

    def __init__(self, port: int, rtt: float = 0.05, host: str = LOOPBACK) -> None:
        self.host, self.port, self.rtt = "localhost", 0, rtt
        self._argv = [sys.executable, "-m", __name__, host, str(port), repr(rtt / 2)]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._argv,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            raise NotReady(f"{self._argv!r} ended by itself")
        self.port = int(answer)

    def stop(self) -> None:
        if self._process is None:
            return
        # Killed, not asked: it holds nothing worth saving.
        self._process.kill()
        self._process.communicate()
        self._process = None

    @property
    def pid(self) -> int | None:
        """The id of the proxy's process; None while it does not run."""
        return self._process.pid if self._process is not None else None


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("host")
    arguments.add_argument("port", type=int)
    arguments.add_argument("delay", type=float)
    options = arguments.parse_args()
    # select(2) waits by the microsecond; epoll, asyncio's usual choice, would deliver up to a millisecond late.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(_serve((options.host, options.port), options.delay))
