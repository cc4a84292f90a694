"""What was accepted, what arrived, and what may have arrived twice: pure book-keeping."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

#: Messages that one killed worker leaves in doubt, and those of one with a relay that answers slowly, as a near one
#: does on a busy machine: see docs/decisions/0003-pipelined-smtp.md.
IN_DOUBT, FAR = 20, 32
_DYING = 0.5


@dataclass(frozen=True)
class Doubt:
    """A moment after which up to ``limit`` messages may be sent again.

    Attributes:
        token: the only message that it concerns; empty: any.
        lasts: it goes on, until the round is over.
    """

    at: float
    what: str
    limit: int = IN_DOUBT
    token: str = ""
    lasts: bool = False


@dataclass
class Ledger:
    """The books of one world. Every message has a token, which is its subject.

    Attributes:
        accepted: token → how it was handed in; the product said that it has it.
        unknown: the same for those whose sender got no answer: they may be lost, but not doubled.
        refused: tokens → what the sender was told.
        arrivals: token → when the provider took it.
        in_doubt: how many messages one killed worker may leave in doubt now.
    """

    accepted: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    arrivals: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    doubts: list[Doubt] = field(default_factory=list)
    in_doubt: int = IN_DOUBT
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, token: str, way: str) -> None:
        """The product has taken responsibility for it."""
        with self._lock:
            self.unknown.pop(token, None)
            self.accepted[token] = way

    def lose_answer(self, token: str, way: str) -> None:
        """Its sender got no answer."""
        with self._lock:
            self.unknown[token] = way

    def refuse(self, token: str, why: str) -> None:
        """Its sender was told that it was not taken."""
        with self._lock:
            self.unknown.pop(token, None)
            self.refused[token] = why

    def arrive(self, token: str) -> None:
        """The provider has it."""
        with self._lock:
            self.arrivals[token].append(time.monotonic())

    def doubt(self, what: str, *, limit: int = 0, token: str = "", lasts: bool = False) -> None:
        """From now on somebody cannot know what has arrived."""
        with self._lock:
            self.doubts.append(Doubt(time.monotonic(), what, limit or self.in_doubt, token, lasts))

    def lost(self, buried: set[str]) -> list[str]:
        """What was accepted and neither arrived nor is ``buried``, that is, refused by the provider for good."""
        return sorted(token for token in self.accepted if token not in self.arrivals and token not in buried)

    def doubles(self) -> tuple[Counter[str], list[str]]:
        """What was sent again, by the reason that allows it, and the messages for which there is none."""
        used: Counter[Doubt] = Counter()
        allowed: Counter[str] = Counter()
        wrong: list[str] = []
        for token, times in sorted(self.arrivals.items()):
            for first, second in pairwise(times):
                doubt = self._reason(token, first, second, used)
                if doubt is None:
                    wrong.append(f"{token} arrived {len(times)} times")
                    continue
                used[doubt] += 1
                allowed[doubt.what] += 1
        return allowed, wrong

    def _reason(self, token: str, first: float, second: float, used: Counter[Doubt]) -> Doubt | None:
        # A message is recorded up to some seconds after its arrival, on a machine with other work.
        fitting = [doubt for doubt in self.doubts if doubt.at <= second and used[doubt] < doubt.limit]
        own = [doubt for doubt in fitting if doubt.token == token and doubt.at >= first - 1]
        # What is noted as killed lives on for a moment, until the kernel has come to it.
        any_of = [each for each in fitting if not each.token and (each.lasts or each.at >= first - _DYING)]
        return next(iter([*own, *any_of]), None)

    def close(self) -> None:
        """Begin a new page: the round is over. What nobody has entered yet, as cron's latest mail, is carried over."""
        for token in {*self.accepted, *self.unknown, *self.refused}:
            self.arrivals.pop(token, None)
        for each in (self.accepted, self.unknown, self.refused, self.doubts):
            each.clear()
        self.in_doubt = IN_DOUBT
