"""Several connections to one relay, each sending message after message. No database in here.

One thread, that of the owner, serves all connections: each is a generator that yields what it waits for, and goes on
when that is there. Only opening a connection, which looks up names and shakes hands, has a thread of its own. A thread
for each connection would spend as much time on waking the others as on sending.

A message whose body is on the wire but whose result is not recorded yet is *in doubt*: after a kill it is sent again.
Permits limit how many messages can be in doubt.

A far relay gets more connections, because each is idle for most of a round trip. How many there may be is up to the
caller, and to the server, which refuses to open more than it allows.
"""

from __future__ import annotations

import select
import time
from collections.abc import Iterator

from mailrelay.smtp.dialogue import Down, Event, Job, Result, Target
from mailrelay.smtp.line import JOB, PERMIT, Line, Openings, Shared
from mailrelay.smtp.pool import LoginGate, Pool

#: The most messages in doubt at once on the first ``_COVERED`` connections; each further connection adds one. Two kills
#: in a row send at most twice as many again.
IN_DOUBT = 20
_COVERED = 13
#: How many connections a near relay gets: while it works on the message of one, those of the others are prepared.
_NEAR = 3
#: Codes with which a server that has enough connections refuses another (RFC 5321 §3.8; Exchange: 432).
_ENOUGH = (421, 432, 452)
#: How many seconds of waiting for an answer justify one more connection.
_WAIT_PER_CONNECTION = 0.005
#: Where answers come at once, results are gathered for so many seconds, up to ``IN_DOUBT`` of them: one commit for
#: twenty results costs little more than one for a single result.
_GATHER_SECONDS = 0.01


def wanted(answer_seconds: float, outstanding: int, most: int) -> int:
    """How many connections to have: three where answers come at once, up to ``most`` where an answer takes tens of
    milliseconds; one as long as no answer has come (0), and never more than there are messages."""
    near = _NEAR if answer_seconds else 1
    return min(most, max(near, 1 + int(answer_seconds / _WAIT_PER_CONNECTION)), max(1, outstanding))


class Pipeline:
    """Sends jobs to one target over up to ``most`` connections.

    Attributes:
        outstanding: jobs that were submitted and whose result has not been collected.
        alive: connections that are open or being opened.
    """

    def __init__(self, target: Target, pool: Pool, most: int, gate: LoginGate | None = None) -> None:
        self.target = target
        self.outstanding = 0
        self.alive = 0
        self._pool = pool
        self._most = pool.connections(target, most)
        self._widest = _COVERED
        self._shared = Shared(target, pool, gate or LoginGate(), Openings(pool), IN_DOUBT)
        self._lines: list[Line] = []
        self._watched: dict[int, Line] = {}
        self._poll = select.poll()
        self._poll.register(self._shared.openings.bell, select.POLLIN)
        self._left = time.monotonic()

    # --- the owner's side ----------------------------------------------------------------------------------
    def submit(self, job: Job) -> None:
        """Hand a job to the next free connection."""
        self.outstanding += 1
        self._shared.jobs.append(job)

    @property
    def waiting(self) -> int:
        """Jobs that no connection has taken yet."""
        return len(self._shared.jobs)

    def grow(self) -> None:
        """Open as many connections as the relay's answer times and the work at hand justify; each after the first
        ``_COVERED`` brings a permit."""
        while self.alive < wanted(self._shared.answer_seconds, self.outstanding, self._most):
            self.alive += 1
            if self.alive > self._widest:
                self._widest = self.alive
                self.settle(1)
            line = Line(self._shared)
            self._lines.append(line)
            self._advance(line)

    def collect(self, seconds: float) -> list[Event]:
        """What has happened; goes on sending, and waits up to ``seconds`` for it. Empty when nothing happened in that
        time."""
        now = time.monotonic()
        self._shared.away += now - self._left
        until = now + seconds
        gathering = until
        while True:
            self._go_on()
            now = time.monotonic()
            if self._shared.events:
                gathering = min(gathering, now + _GATHER_SECONDS)
                if now >= gathering or not self._is_worth_waiting:
                    break
            elif now >= until:
                break
            self._listen(min(until, gathering))
        events, self._shared.events = self._shared.events, []
        for event in events:
            self._note(event)
        self._left = time.monotonic()
        return events

    @property
    def _is_worth_waiting(self) -> bool:
        """Whether further results are about to come, so that it pays to gather them."""
        near = self._shared.answer_seconds < _GATHER_SECONDS
        return near and len(self._shared.events) < IN_DOUBT and bool(self._watched)

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
        self._shared.permits += results

    def abandon(self) -> Iterator[Job]:
        """Take back every job that no connection has started."""
        while self._shared.jobs:
            self.outstanding -= 1
            yield self._shared.jobs.popleft()

    def close(self) -> None:
        """Return every connection to the pool. Jobs that no connection has started are dropped (see ``abandon``); a
        connection that is in the middle of one, because the owner failed, is closed."""
        self._shared.closing = True
        self._shared.jobs.clear()
        for line in [*self._lines]:
            if line.wants == JOB:
                self._advance(line)
            else:
                line.break_off()
        self._shared.openings.close()

    # --- the loop ------------------------------------------------------------------------------------------
    def _go_on(self) -> None:
        """Advance the connections that wait for a job or a permit, as far as there are any."""
        for line in [*self._lines]:
            if (line.wants == JOB and self._shared.jobs) or (line.wants == PERMIT and self._shared.permits):
                self._advance(line)

    def _listen(self, until: float) -> None:
        """Wait until a connection is ready, but not longer than ``until``, and advance all that are, and those whose
        server did not answer in time."""
        expires = min((line.expires for line in self._watched.values()), default=until)
        ready = self._poll.poll(max(0.0, min(until, expires) - time.monotonic()) * 1000)
        late = [line for line in self._watched.values() if line.expires <= time.monotonic()]
        for number, _event in ready:
            line = self._watched.get(number)
            if line is not None:
                self._advance(line)
                if line in late:
                    late.remove(line)
        for line in late:
            if line.watched:
                self._advance(line, late=True)
        for line in self._shared.openings.arrived():
            self._advance(line)

    def _advance(self, line: Line, *, late: bool = False) -> None:
        """Take the next step of a connection, and note what it waits for then."""
        if not line.advance(late=late):
            self._lines.remove(line)
        self._watch(line)

    def _watch(self, line: Line) -> None:
        """Let ``_poll`` look at the connection's socket while it waits for the server."""
        sock = line.connection.sock if line.wants > 0 and line.connection else None
        now = (sock.fileno(), line.wants) if sock is not None else None
        if now == line.watched:
            return
        if line.watched is not None:
            self._poll.unregister(line.watched[0])
            del self._watched[line.watched[0]]
        line.watched = now
        if now is not None:
            self._poll.register(*now)
            self._watched[now[0]] = line
