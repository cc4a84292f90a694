"""Several connections to one relay, each sending message after message. No database in here.

Each connection has a thread that does nothing but SMTP. Jobs reach the threads through one queue, and results come back
through another. A message whose body is on the wire but whose result is not recorded yet is *in doubt*: after a kill it
is sent again. Permits limit how many messages can be in doubt.

A far relay gets more connections, because each is idle for most of a round trip. How many there may be is up to the
caller, and to the server, which refuses to open more than it allows.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from mailrelay.smtp.connection import Connection
from mailrelay.smtp.dialogue import Envelope, Outcome, Target
from mailrelay.smtp.pool import LoginGate, Pool
from quazzar.errors import DeliveryError

#: The most messages in doubt at once on the first connection; each further connection adds one. Two kills in a row send
#: at most twice as many again.
IN_DOUBT = 10
#: Codes with which a server that has enough connections refuses another (RFC 5321 §3.8; Exchange: 432).
_ENOUGH = (421, 432, 452)
#: How many seconds of waiting for an answer justify one more connection.
_WAIT_PER_CONNECTION = 0.005
#: Where answers come at once, results are gathered for so many seconds, up to ``_GATHER`` of them: one commit for eight
#: results costs little more than one for a single result, and waking the owner costs as much as sending a message.
_GATHER_SECONDS = 0.01
_GATHER = 8


def wanted(answer_seconds: float, outstanding: int, most: int) -> int:
    """How many connections to have: one where answers come at once, up to ``most`` where an answer takes tens
    of milliseconds, and never more than there are messages."""
    return min(most, 1 + int(answer_seconds / _WAIT_PER_CONNECTION), max(1, outstanding))


@dataclass(slots=True)
class Job:
    """A message to send.

    Attributes:
        key: the id of its row.
        reopened: it was already moved once to a new connection because the old one had died.
        part: the mail goes out in parts, and this is one; ``rest``: recipients of the parts after it.
    """

    key: int
    envelope: Envelope
    reopened: bool = False
    part: bool = False
    rest: tuple[str, ...] = ()


@dataclass(slots=True)
class Result:
    """What became of a job, and how many seconds that took. One that is ``in_doubt`` holds a permit until
    ``Pipeline.settle``."""

    job: Job
    outcome: Outcome
    in_doubt: bool = False
    seconds: float | None = None


@dataclass(slots=True)
class Opened:
    """A connection is there: the relay answers. ``new``: it was opened for this, and signed in where that is wanted."""

    new: bool = True


@dataclass(slots=True)
class Down:
    """A connection could not be opened in so many seconds, and its thread has ended.

    ``job`` was assigned to it and was not tried.
    """

    error: DeliveryError
    job: Job | None
    seconds: float | None = None


Event = Result | Opened | Down


class Pipeline:
    """Sends jobs to one target over up to ``most`` connections.

    Attributes:
        outstanding: jobs that were submitted and whose result has not been collected.
        alive: connections that are open or being opened.
    """

    def __init__(self, target: Target, pool: Pool, most: int, gate: LoginGate | None = None) -> None:
        self.target = target
        self._gate = gate or LoginGate()
        self.outstanding = 0
        self.alive = 0
        self._pool = pool
        self._most = pool.connections(target, most)
        self._widest = 1
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._events: deque[Event] = deque()
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._permits: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.settle(IN_DOUBT)
        self._threads: list[threading.Thread] = []
        self._answer_seconds = 0.0

    # --- the owner's side ----------------------------------------------------------------------------------
    def submit(self, job: Job) -> None:
        """Hand a job to the next free connection."""
        self.outstanding += 1
        self._jobs.put(job)

    @property
    def waiting(self) -> int:
        """Jobs that no connection has taken yet."""
        return self._jobs.qsize()

    def grow(self) -> None:
        """Open as many connections as the relay's answer times and the work at hand justify; each but the first brings
        a permit."""
        while self.alive < wanted(self._answer_seconds, self.outstanding, self._most):
            self.alive += 1
            if self.alive > self._widest:
                self._widest = self.alive
                self.settle(1)
            thread = threading.Thread(target=self._run, name="relay", daemon=True)
            self._threads.append(thread)
            thread.start()

    def collect(self, seconds: float) -> list[Event]:
        """What has happened; waits up to ``seconds`` for it. Empty when nothing happened in that time."""
        until = time.monotonic() + seconds
        while True:
            left = until - time.monotonic()
            try:
                self._bell.get(timeout=max(0.0, min(left, _GATHER_SECONDS) if self._is_near else left))
            except queue.Empty:
                if left > 0 and not self._events:
                    continue
            events = [self._events.popleft() for _ in range(len(self._events))]
            if events or left <= 0:
                break
        for event in events:
            self._note(event)
        return events

    @property
    def _is_near(self) -> bool:
        """Whether answers come so quickly that it pays to gather results."""
        return self.alive <= 1 and self._answer_seconds < _GATHER_SECONDS

    def _tell(self, event: Event, *, soon: bool = False) -> None:
        """Hand an event to the owner, and wake it, unless that may wait until it looks by itself."""
        self._events.append(event)
        if not soon or not self._is_near or len(self._events) >= _GATHER:
            self._bell.put(None)

    def _note(self, event: Event) -> None:
        if isinstance(event, Down):
            self.alive -= 1
            # The relay may allow fewer connections than we want: from now on ask for no more than are open.
            self._most = max(1, self.alive)
            if event.error.smtp_code in _ENOUGH:
                self._pool.remember_connections(self.target, self.alive)
        elif isinstance(event, Result):
            self.outstanding -= 1

    def settle(self, results: int) -> None:
        """Give back the permits of that many messages: their results are recorded."""
        for _ in range(results):
            self._permits.put(None)

    def abandon(self) -> Iterator[Job]:
        """Take back every job that no connection has started."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job is not None:
                self.outstanding -= 1
                yield job

    def close(self) -> None:
        """Return every connection to the pool. Jobs that no connection has started are dropped (see ``abandon``)."""
        left_over = len(list(self.abandon()))
        for _ in self._threads:
            self._jobs.put(None)
        # After a failure of the owner a thread may wait for a permit that nobody would give back.
        self.settle(left_over + self.outstanding + len(self._threads))
        for thread in self._threads:
            thread.join()

    # --- a connection's thread -----------------------------------------------------------------------------
    def _run(self) -> None:
        """The whole life of a connection.

        However it ends, the job that it held is accounted for: the owner would wait forever for the result of a lost
        one.
        """
        hand = _Hand()
        down: Down | None = Down(_BROKEN, None)
        begun = time.monotonic()
        try:
            pooled = self._pool.take(self.target)
            connection = pooled or self._open()
            self._tell(Opened(new=pooled is None))
            hand.job = self._jobs.get()
            while hand.job is not None:
                connection = self._send(connection, hand)
            self._pool.give(connection)
            down = None
        except DeliveryError as exc:
            down = Down(exc, None, time.monotonic() - begun)
        except _Reopen as exc:
            hand.job, down = None, Down(exc.error, exc.job, exc.seconds)
        finally:
            if down is not None:
                if hand.job is not None:  # only after a fault of ours, which the log has
                    self._tell(Result(hand.job, Outcome(error=_BROKEN), in_doubt=hand.permit))
                self._tell(down)

    def _open(self) -> Connection:
        if self._gate.refusal is not None:
            raise self._gate.refusal
        connection = Connection(self.target, signing_in=self._gate).open()
        self._answer_seconds = max(self._answer_seconds, connection.round_trip)
        return connection

    def _send(self, connection: Connection, hand: _Hand) -> Connection:
        """Send the job in hand and all that follow it without a pause, then wait for the next."""
        job = hand.job
        assert job is not None
        begun = time.monotonic()
        connection, refusal = self._begin(connection, job)
        while refusal is None:
            self._permits.get()
            hand.permit = True
            following = self._next_now()
            outcome, announced = self._finish(connection, job, following)
            ended = time.monotonic()
            # The owner is woken at once if this thread is about to wait for it.
            soon = following is not None and not self._permits.empty()
            self._tell(Result(job, outcome, in_doubt=True, seconds=ended - begun), soon=soon)
            hand.job, hand.permit, begun = following, False, ended
            if following is None:
                hand.job = self._jobs.get()
                return connection
            job = following
            go_on = self._announced if announced and connection.usable else self._begin
            connection, refusal = go_on(connection, job)
        self._tell(Result(job, refusal, seconds=time.monotonic() - begun))
        hand.job = None
        hand.job = self._jobs.get()
        return connection

    def _begin(self, connection: Connection, job: Job) -> tuple[Connection, Outcome | None]:
        """Announce a job. A connection that turns out to be dead before any of the body was sent is replaced once,
        silently: relays hang up after some messages or some seconds, and that is not a failure."""
        if not connection.usable:
            connection = self._replace(connection, job)
        try:
            return connection, connection.begin(job.envelope)
        except DeliveryError as exc:
            return self._again(connection, job, exc)

    def _announced(self, connection: Connection, job: Job) -> tuple[Connection, Outcome | None]:
        try:
            return connection, connection.announced(job.envelope)
        except DeliveryError as exc:
            return self._again(connection, job, exc)

    def _again(
        self, connection: Connection, job: Job, exc: DeliveryError
    ) -> tuple[Connection, Outcome | None]:
        if job.reopened or exc.kind == "timeout":
            connection.usable = False
            return connection, Outcome(error=exc)
        job.reopened = True
        connection = self._replace(connection, job)
        return self._begin(connection, job)

    def _replace(self, connection: Connection, job: Job) -> Connection:
        connection.close()
        begun = time.monotonic()
        try:
            return self._open()
        except DeliveryError as exc:
            raise _Reopen(exc, job, time.monotonic() - begun) from exc

    def _finish(self, connection: Connection, job: Job, following: Job | None) -> tuple[Outcome, bool]:
        started = time.monotonic()
        try:
            outcome, announced = connection.finish(job.envelope, following.envelope if following else None)
        except DeliveryError as exc:
            connection.usable = False
            return Outcome(error=exc), False
        self._answer_seconds = 0.7 * self._answer_seconds + 0.3 * (time.monotonic() - started)
        return outcome, announced

    def _next_now(self) -> Job | None:
        try:
            job = self._jobs.get_nowait()
        except queue.Empty:
            return None
        if job is None:
            self._jobs.put(None)  # the end is for the next thread that waits, which may be this one
        return job


@dataclass(slots=True)
class _Hand:
    """What a connection's thread holds: the job it works on, and whether that job has a permit."""

    job: Job | None = None
    permit: bool = False


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
