"""How far each log was read: where to go on, and which lines were stored already. Pure, but for the rows.

Docker is asked for all lines since some moments before the last one, because it may order lines of about the same time
in another way; of these, lines that were stored are recognised by their time and digest.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from mailboxes.engine.logstream import LogLine

#: Nanoseconds before the last line whose lines are remembered.
OVERLAP: Final = 20_000_000
_MOST: Final = 2000
SECOND: Final = 1_000_000_000


class Position:
    """How far one log was read.

    Args:
        at_ns: time of the last line, 0 before the first one.
        recent: ``[[time, digest]]`` of the lines up to ``OVERLAP`` before it.
    """

    def __init__(self, at_ns: int = 0, recent: Iterable[tuple[int, str]] = ()) -> None:
        self.at_ns = at_ns
        self._recent = deque((int(at), str(digest)) for at, digest in recent)
        self._known = {digest for _, digest in self._recent}

    def since(self, now_ns: int, oldest_ns: int) -> int:
        """From when on to ask Docker for lines."""
        if self.at_ns > now_ns + 2 * SECOND:
            # The clock was set back. Docker would leave out all lines until it shows this time again.
            return now_ns - SECOND
        return max(self.at_ns - OVERLAP, oldest_ns)

    def fresh(self, lines: Iterable[LogLine]) -> list[LogLine]:
        """Those of the lines that were not read yet; from now on, they were."""
        found = []
        for line in lines:
            digest = _digest(line)
            if line.at_ns <= self.at_ns + OVERLAP and digest in self._known:
                continue
            found.append(line)
            self._recent.append((line.at_ns, digest))
            self._known.add(digest)
            self.at_ns = max(line.at_ns, self.at_ns) if abs(line.at_ns - self.at_ns) < SECOND else line.at_ns
            self._trim()
        return found

    def _trim(self) -> None:
        while self._recent and (self._recent[0][0] < self.at_ns - OVERLAP or len(self._recent) > _MOST):
            self._known.discard(self._recent.popleft()[1])

    @property
    def recent(self) -> list[tuple[int, str]]:
        """As it is stored."""
        return list(self._recent)


def moment(at_ns: int) -> datetime:
    """The time as Python has it."""
    return datetime.fromtimestamp(at_ns // 1000 / 1_000_000, UTC)


def _digest(line: LogLine) -> str:
    return hashlib.blake2b(f"{line.at_ns} {line.text}".encode(), digest_size=8).hexdigest()
