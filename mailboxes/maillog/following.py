"""Follows the three logs in a thread of the worker, as long as it lives; the task ``follow_mail_log`` starts it again.

One thread for each stack, whatever number of workers and machines there is: it holds a lock that ends with it. A batch
of lines, what they say, and how far the logs were read are stored in one transaction, so a worker that is killed loses
nothing and stores nothing twice.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.utils import timezone

from mailboxes.engine import connect
from mailboxes.engine.logstream import LogEnded, LogLine, LogStream
from mailboxes.maillog.daemons import dovecot, postfix, rspamd
from mailboxes.maillog.daemons.event import Event
from mailboxes.maillog.filing import Filer
from mailboxes.maillog.positions import SECOND, Position, moment
from mailboxes.models import LogPosition, Stack
from mailboxes.stack import lock
from quazzar.errors import QuazzarError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailboxes.engine.client import Engine

logger = logging.getLogger(__name__)

PARSERS: Final = {"postfix": postfix.parse, "dovecot": dovecot.parse, "rspamd": rspamd.parse}
#: Seconds between two batches: lines of one mail come together, and a transaction is not free.
_PAUSE = 1.0
#: Lines of one batch; a burst is stored in several, with pauses in which other threads work.
_MOST_LINES = 2000
#: Seconds after which the rows say that somebody looks, though there was no line.
_SIGN_OF_LIFE = 15.0
#: Seconds before a log that ended is asked for again; doubled each time up to the second number.
_AGAIN, _LONGEST_AGAIN = 1.0, 15.0
_DAY_NS = 86_400 * SECOND


class Superseded(Exception):
    """Another follower has stored lines of this log: this one must not go on."""


class Follower:
    """Follows the logs until it is told to stop.

    Args:
        stop: set to end it.
        pause: waits so many seconds, or until ``stop`` is set.
    """

    def __init__(
        self, engine: Engine, stop: threading.Event, pause: Callable[[float], object] | None = None
    ) -> None:
        self._engine, self._stop = engine, stop
        self._pause = pause or stop.wait
        self._filer = Filer()
        self._logs = {service: _Log(service, engine) for service in PARSERS}
        self._signed = 0.0

    def run(self) -> None:
        """Follows until it is told to stop, or the stack is disabled.

        Raises:
            DatabaseError: the rows cannot be read or written.
            Superseded: another follower is at work.
        """
        try:
            while not self._stop.is_set():
                began = time.monotonic()
                busy = self.turn()
                if time.monotonic() - self._signed > _SIGN_OF_LIFE and not wanted():
                    return
                # In a burst it leaves half of the time to others.
                self._pause(min(time.monotonic() - began, _PAUSE) if busy else _PAUSE)
        finally:
            for log in self._logs.values():
                log.close()

    def turn(self) -> bool:
        """Stores what has come since; returns whether there is more."""
        now = time.monotonic()
        batches = {service: log.read(now) for service, log in self._logs.items()}
        signs = now - self._signed > _SIGN_OF_LIFE
        if any(batches.values()) or signs:
            self._store(batches, every=signs)
            if signs:
                self._signed = now
        return any(log.has_more for log in self._logs.values())

    def _store(self, batches: dict[str, list[LogLine]], *, every: bool) -> None:
        events: list[tuple[datetime, Event]] = []
        counts: dict[str, Counter[str]] = {service: Counter() for service in batches}
        for service, lines in batches.items():
            for line in lines:
                for event in said(service, line.text):
                    events.append((moment(line.at_ns), event))
                    counts[service][event.kind] += 1
        with transaction.atomic():
            if events:
                self._filer.file(events)
            for service, lines in batches.items():
                if lines or every:
                    self._logs[service].store(len(lines), counts[service])


def said(service: str, line: str) -> tuple[Event, ...]:
    """What a line says. One that the parser fails at says nothing: the log would be read up to it again and again."""
    try:
        return PARSERS[service](line)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
        logger.exception("mail log: a line of %s cannot be read", service)
        return ()


class _Log:
    """One container's log: its open stream, and how far it was read."""

    def __init__(self, service: str, engine: Engine) -> None:
        self._service, self._engine = service, engine
        self._stream: LogStream | None = None
        row = LogPosition.of(service)
        self._position = Position(row.at_ns, row.recent)
        self._stored_ns, self._lines, self._counts = row.at_ns, row.lines, Counter(row.counts)
        self._problem = ""
        self._again, self._wait = 0.0, _AGAIN
        self._left: list[LogLine] = []

    def read(self, now: float) -> list[LogLine]:
        """The lines that have come and were not stored, ``_MOST_LINES`` at most."""
        if not self._left:
            self._left = self._arrived(now)
        lines, self._left = self._left[:_MOST_LINES], self._left[_MOST_LINES:]
        return self._position.fresh(lines)

    @property
    def has_more(self) -> bool:
        """Whether lines have arrived that were not read yet."""
        return bool(self._left)

    def _arrived(self, now: float) -> list[LogLine]:
        if self._stream is None and now >= self._again:
            self._open(now)
        if self._stream is None:
            return []
        try:
            lines = self._stream.read()
        except LogEnded:
            self.close()
            self._again, self._wait = now + self._wait, min(self._wait * 2, _LONGEST_AGAIN)
            return []
        if lines:
            self._wait = _AGAIN
        return lines

    def _open(self, now: float) -> None:
        now_ns = time.time_ns()
        since = self._position.since(now_ns, now_ns - settings.QUAZZAR_MAIL_LOG_DAYS * _DAY_NS)
        try:
            self._stream = self._engine.follow(f"{settings.QUAZZAR_STACK_PROJECT}-{self._service}", since)
            self._problem = ""
        except QuazzarError as exc:
            self._problem = exc.message[:300]
            self._again, self._wait = now + self._wait, min(self._wait * 2, _LONGEST_AGAIN)

    def store(self, lines: int, counts: Counter[str]) -> None:
        """Stores how far it was read.

        Raises:
            Superseded: it is not where this follower left it.
        """
        self._lines += lines
        self._counts.update(counts)
        values: dict[str, object] = {"looked_at": timezone.now(), "problem": self._problem}
        if lines:
            lag = max(0.0, (time.time_ns() - self._position.at_ns) / SECOND)
            values |= {"at_ns": self._position.at_ns, "recent": self._position.recent, "lag": lag}
            values |= {"lines": self._lines, "counts": dict(self._counts)}
        if not LogPosition.objects.filter(service=self._service, at_ns=self._stored_ns).update(**values):
            raise Superseded(self._service)
        self._stored_ns = self._position.at_ns if lines else self._stored_ns

    def close(self) -> None:
        """Closes the stream; the next turn opens another."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


# --- the thread


def wanted() -> bool:
    """Whether the logs of a stack are to be followed."""
    return bool(settings.QUAZZAR_MAIL_LOG_DAYS) and Stack.objects.filter(pk=1, enabled=True).exists()


_thread: threading.Thread | None = None
_ending = threading.Event()
_guard = threading.Lock()


def ensure() -> None:
    """Starts the thread, unless it runs or nothing is to be followed."""
    global _thread
    with _guard:
        if (_thread is not None and _thread.is_alive()) or _ending.is_set() or not wanted():
            return
        _thread = threading.Thread(target=_follow, name="mail-log", daemon=True)
        _thread.start()


def stop() -> None:
    """Ends the thread soon; it is not started again in this process."""
    _ending.set()


def _follow() -> None:
    try:
        with lock.single_writer("maillog") as mine, ExitStack() as closing:
            if mine:
                engine = closing.enter_context(connect.to_docker())
                Follower(engine, _ending).run()
    except (QuazzarError, Superseded, DatabaseError, OSError) as exc:
        # The next sweep starts it again.
        logger.warning("mail log: following ended: %s: %s", type(exc).__name__, getattr(exc, "message", exc))
    finally:
        connection.close()
