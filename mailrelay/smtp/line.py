"""One connection of a pipeline, message after message: steps that its owner takes (see ``channel.Steps``)."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from mailrelay.smtp.channel import Steps
from mailrelay.smtp.connection import Connection
from mailrelay.smtp.dialogue import Down, Event, Job, Opened, Outcome, Result, Target
from mailrelay.smtp.pool import LoginGate, Pool
from quazzar.errors import DeliveryError

logger = logging.getLogger(__name__)

#: What a connection waits for, besides its socket.
NOTHING, JOB, PERMIT, CONNECTION = 0, -1, -2, -3


@dataclass(slots=True)
class Shared:
    """What the connections of a pipeline have in common.

    Attributes:
        jobs: those that no connection has taken.
        permits: how many more messages may be in doubt.
        events: those that the owner has not collected.
        answer_seconds: how long the relay takes to answer; 0: not known yet.
        away: seconds that the owner has spent elsewhere, while nobody listened.
        closing: no more jobs will come.
    """

    target: Target
    pool: Pool
    gate: LoginGate
    openings: Openings
    permits: int
    jobs: deque[Job] = field(default_factory=deque)
    events: list[Event] = field(default_factory=list)
    answer_seconds: float = 0.0
    away: float = 0.0
    closing: bool = False

    @property
    def clock(self) -> float:
        """Seconds, without those that the owner has spent elsewhere."""
        return time.monotonic() - self.away


class Line:
    """One connection, and what it works on.

    Attributes:
        connection: None while it is being opened.
        job: what it works on; ``permit``: whether that has one.
        wants: what it waits for: ``select.POLLIN`` or ``POLLOUT``, or one of the constants above.
        watched: the file descriptor and the event that the owner looks for.
        opened: what became of the opening that it waits for.
    """

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self.connection: Connection | None = None
        self.job: Job | None = None
        self.permit = False
        self.wants = NOTHING
        self.watched: tuple[int, int] | None = None
        self.opened: Connection | DeliveryError | None = None
        self._steps = self._life()

    @property
    def expires(self) -> float:
        """The ``time.monotonic()`` until which the step under way may wait for the server."""
        assert self.connection is not None
        return self.connection.expires

    def advance(self, *, late: bool = False) -> bool:
        """Take the next step; returns False if it was the last.

        Args:
            late: the server did not answer in time.
        """
        try:
            self.wants = self._steps.throw(TimeoutError()) if late else next(self._steps)
        except StopIteration:
            self.wants = NOTHING
        except Exception:  # a fault of our own, whatever it is: the other connections go on
            logger.exception("a connection to the relay failed")
            self.break_off()
            self.wants = NOTHING
        return self.wants != NOTHING

    def break_off(self) -> None:
        """Hang up in the middle of whatever it does."""
        self._steps.close()
        if self.connection is not None:
            self.connection.close()

    def _life(self) -> Steps[None]:
        """The whole life of a connection.

        However it ends, the job that it held is accounted for: the owner would wait forever for the result of a lost
        one.
        """
        down: Down | None = Down(_BROKEN, None)
        begun = time.monotonic()
        try:
            pooled = self._shared.pool.take(self._shared.target)
            self.connection = pooled or (yield from self._open())
            self._shared.events.append(Opened(new=pooled is None))
            while (job := (yield from self._next())) is not None:
                self.job = job
                yield from self._send()
            self._shared.pool.give(self.connection)
            down = None
        except DeliveryError as exc:
            down = Down(exc, None, time.monotonic() - begun)
        except _Reopen as exc:
            self.job, down = None, Down(exc.error, exc.job, exc.seconds)
        finally:
            if down is not None:
                if self.job is not None:  # only after a fault of ours, which the log has
                    self._shared.events.append(Result(self.job, Outcome(error=_BROKEN), in_doubt=self.permit))
                self._shared.events.append(down)

    def _next(self) -> Steps[Job | None]:
        """The next job, or None at the end."""
        while not self._shared.jobs:
            if self._shared.closing:
                return None
            yield JOB
        return self._shared.jobs.popleft()

    def _open(self) -> Steps[Connection]:
        """Open a connection in a thread.

        Raises:
            DeliveryError: that failed.
        """
        if self._shared.gate.refusal is not None:
            raise self._shared.gate.refusal
        self.connection = None
        self._shared.openings.begin(self, Connection(self._shared.target, signing_in=self._shared.gate))
        while self.opened is None:
            yield CONNECTION
        opened, self.opened = self.opened, None
        if not isinstance(opened, Connection):
            raise opened.with_traceback(None)  # the other thread's says nothing here
        if not self._shared.answer_seconds:
            self._shared.answer_seconds = opened.round_trip
        return opened

    def _send(self) -> Steps[None]:
        """Send the job in hand and all that follow it without a pause."""
        begun = time.monotonic()
        refusal = yield from self._begin()
        while refusal is None:
            job = self.job
            assert job is not None
            while not self._shared.permits:
                yield PERMIT
            self._shared.permits -= 1
            self.permit = True
            following = self._shared.jobs.popleft() if self._shared.jobs else None
            outcome, announced = yield from self._finish(job, following)
            ended = time.monotonic()
            self._shared.events.append(Result(job, outcome, in_doubt=True, seconds=ended - begun))
            self.job, self.permit, begun = following, False, ended
            if following is None:
                return
            if announced and self.connection is not None and self.connection.usable:
                refusal = yield from self._announced()
            else:
                refusal = yield from self._begin()
        assert self.job is not None
        self._shared.events.append(Result(self.job, refusal, seconds=time.monotonic() - begun))
        self.job = None

    def _begin(self) -> Steps[Outcome | None]:
        """Announce the job in hand. A connection that turns out to be dead before any of the body was sent is replaced
        once, silently: relays hang up after some messages or some seconds, and that is not a failure."""
        assert self.job is not None and self.connection is not None
        if not self.connection.usable:
            yield from self._replace()
        try:
            return (yield from self.connection.begin(self.job.envelope))
        except DeliveryError as exc:
            return (yield from self._again(exc))

    def _announced(self) -> Steps[Outcome | None]:
        assert self.job is not None and self.connection is not None
        try:
            return (yield from self.connection.announced(self.job.envelope))
        except DeliveryError as exc:
            return (yield from self._again(exc))

    def _again(self, exc: DeliveryError) -> Steps[Outcome | None]:
        assert self.job is not None and self.connection is not None
        if self.job.reopened or exc.kind == "timeout":
            self.connection.usable = False
            return Outcome(error=exc)
        self.job.reopened = True
        yield from self._replace()
        return (yield from self._begin())

    def _replace(self) -> Steps[None]:
        assert self.job is not None and self.connection is not None
        self.connection.close()
        begun = time.monotonic()
        try:
            self.connection = yield from self._open()
        except DeliveryError as exc:
            raise _Reopen(exc, self.job, time.monotonic() - begun) from exc

    def _finish(self, job: Job, following: Job | None) -> Steps[tuple[Outcome, bool]]:
        assert self.connection is not None
        started = self._shared.clock
        try:
            outcome, announced = yield from self.connection.finish(
                job.envelope, following.envelope if following else None
            )
        except DeliveryError as exc:
            self.connection.usable = False
            return Outcome(error=exc), False
        self._shared.answer_seconds = 0.7 * self._shared.answer_seconds + 0.3 * (self._shared.clock - started)
        return outcome, announced


class Openings:
    """Connections that are being opened, each in a thread of its own, which rings a bell at the end."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._arrived: list[tuple[Line, Connection | DeliveryError]] = []
        self._is_closed = False
        self.bell, self._rope = socket.socketpair()
        self.bell.setblocking(False)

    def begin(self, line: Line, connection: Connection) -> None:
        """Open a connection for a line."""
        threading.Thread(target=self._open, args=(line, connection), name="relay", daemon=True).start()

    def _open(self, line: Line, connection: Connection) -> None:
        opened: Connection | DeliveryError = (
            _BROKEN  # if our own code fails, too, the owner must not wait forever
        )
        try:
            opened = connection.open()
        except DeliveryError as exc:
            opened = exc
        finally:
            self._hand_over(line, opened)

    def _hand_over(self, line: Line, opened: Connection | DeliveryError) -> None:
        with self._lock:
            if not self._is_closed:
                self._arrived.append((line, opened))
                self._rope.send(b"!")
                return
        if isinstance(opened, Connection):
            self._pool.give(opened)

    def arrived(self) -> list[Line]:
        """The lines whose connection was opened, or was not."""
        with self._lock:
            if not self._arrived:
                return []
            self.bell.recv(len(self._arrived))
            arrived, self._arrived = self._arrived, []
        for line, opened in arrived:
            line.opened = opened
        return [line for line, _ in arrived]

    def close(self) -> None:
        """What is opened from now on goes to the pool."""
        with self._lock:
            self._is_closed = True
            self.bell.close()
            self._rope.close()
        for _line, opened in self._arrived:
            if isinstance(opened, Connection):
                self._pool.give(opened)


#: For a job that was in hand when our own code failed; whether the mail left is not known.
_BROKEN = DeliveryError(
    "Something went wrong on this node while sending the mail.", stage="data", kind="closed"
)


class _Reopen(Exception):
    """The relay could not be reached again; the job was not started."""

    def __init__(self, error: DeliveryError, job: Job, seconds: float) -> None:
        super().__init__(error.message)
        self.error = error
        self.job = job
        self.seconds = seconds
