"""What the connections to one relay share: who may sign in, which are open, and what the server is known to allow."""

from __future__ import annotations

import threading
import time

from mailrelay.smtp.connection import Connection
from mailrelay.smtp.dialogue import Target
from quazzar.errors import DeliveryError

#: A connection that was not used for this long is closed, in seconds; providers hang up after 30 to 300.
IDLE_SECONDS = 20.0
#: How long the limit that a server named is believed, in seconds.
_REMEMBERED_SECONDS = 3600.0
#: The same for the number of connections: a server that restarts refuses them, too.
_CONNECTIONS_SECONDS = 300.0


class LoginGate:
    """Lets the connections of one pipeline sign in one after the other.

    Once the server has refused a login, no other is tried: it would be one more failed login, and servers lock out
    after a few.

    Attributes:
        refusal: why nobody is let in; None while everybody is.
    """

    def __init__(self, refusal: DeliveryError | None = None) -> None:
        self.refusal = refusal
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()
        if self.refusal is not None:
            self._lock.release()
            raise self.refusal

    def __exit__(self, _kind: object, exc: BaseException | None, _traceback: object) -> None:
        self.refusal = exc if isinstance(exc, DeliveryError) else None
        self._lock.release()


class Pool:
    """Open connections that no pipeline uses at the moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._most: dict[Target, tuple[int, float]] = {}
        self._connections: dict[Target, tuple[int, float]] = {}

    def most(self, target: Target) -> int:
        """How many recipients this target takes at once, as far as it said so a short time ago; else 0."""
        most, until = self._most.get(target, (0, 0.0))
        return most if time.monotonic() < until else 0

    def remember_most(self, target: Target, most: int) -> None:
        """Remember how many recipients it takes, so that the next mail is not refused first."""
        self._most = {target: (most, time.monotonic() + _REMEMBERED_SECONDS)}

    def connections(self, target: Target, most: int) -> int:
        """How many connections to have at most: ``most``, or what this target allowed a short time ago."""
        allowed, until = self._connections.get(target, (most, 0.0))
        return min(most, allowed) if time.monotonic() < until else most

    def remember_connections(self, target: Target, allowed: int) -> None:
        """Remember how many connections it allows, so that the next drain is not refused first. A server that allows
        none has not told its limit."""
        self._connections = {target: (allowed, time.monotonic() + _CONNECTIONS_SECONDS)} if allowed else {}

    def take(self, target: Target) -> Connection | None:
        """A connection to exactly this target, or None; connections to other targets are closed."""
        with self._lock:
            fitting = [connection for connection in self._idle if connection.target == target]
            others = [connection for connection in self._idle if connection.target != target]
            ready = fitting.pop() if fitting else None
            self._idle = fitting
        for connection in others:
            connection.close()
        return ready

    def give(self, connection: Connection) -> None:
        """Keep a connection for the next drain; one that is no longer usable is closed."""
        if not connection.usable:
            connection.close()
            return
        connection.idle_since = time.monotonic()
        with self._lock:
            self._idle.append(connection)

    def close_idle(self, seconds: float = IDLE_SECONDS) -> None:
        """Close the connections that nobody has used for that long."""
        limit = time.monotonic() - seconds
        with self._lock:
            old = [connection for connection in self._idle if connection.idle_since <= limit]
            self._idle = [connection for connection in self._idle if connection.idle_since > limit]
        for connection in old:
            connection.close()
