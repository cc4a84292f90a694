"""Ends a connection that takes too long as a whole: each wait for a server has its limit, but one that sends a byte now
and then never reaches it."""

from __future__ import annotations

import socket
import threading
import time


class Deadline:
    """The end of one or more connections, ``seconds`` after it was made. Use ``over()`` when they are closed.

    Attributes:
        seconds: how long the whole may take.
        passed: it was reached, and what was open was cut off.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds, self.passed = seconds, False
        self._until = time.monotonic() + seconds
        self._copy: socket.socket | None = None
        self._guard = threading.Lock()
        self._timer: threading.Timer | None = None

    def watch(self, connection: socket.socket) -> None:
        """Cut off this connection at the end; one that was watched before no longer is."""
        self.over()
        with self._guard:
            # TLS takes the socket itself over.
            self._copy = connection.dup()
        self._timer = threading.Timer(max(0.0, self._until - time.monotonic()), self._cut_off)
        self._timer.daemon = True
        self._timer.start()

    def over(self) -> None:
        """The connection was closed, or is about to be."""
        if self._timer is not None:
            self._timer.cancel()
        with self._guard:
            if self._copy is not None:
                self._copy.close()
                self._copy = None

    def _cut_off(self) -> None:
        with self._guard:
            if self._copy is None:
                return
            self.passed = True
            try:
                self._copy.shutdown(socket.SHUT_RDWR)
            except OSError:  # it has ended by itself
                pass
