"""How far a change has got: on which name servers or resolvers it is seen, and how long the others may take. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from dnsrecords import faults
from quazzar import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dnsrecords.answers import Answer, ServerAnswer


@dataclass(frozen=True, slots=True)
class Propagation:
    """How far a change has got.

    Attributes:
        silent: servers that did not answer; they count as not having it.
        worst_ttl: seconds for which others may still keep what the rest of the servers say; None: not known.
    """

    seen: int
    of: int
    worst_ttl: int | None = None
    silent: int = 0

    @property
    def complete(self) -> bool:
        """Whether every server has it; not if there is none."""
        return 0 < self.of == self.seen

    def sentence(self, what: str = "name servers") -> str:
        """As it follows the name of a record: "seen on 2 of 4 name servers, the rest within 47 min by their TTL"."""
        if not self.of:
            return f"seen nowhere: there are no {what} to ask"
        if self.complete:
            return (
                f"seen on all {self.of} {what}"
                if self.of > 1
                else f"seen on the only {what.removesuffix('s')}"
            )
        return f"seen on {self.seen} of {self.of} {what}{self._rest()}"

    def _rest(self) -> str:
        waiting = self.of - self.seen - self.silent
        clauses = []
        if waiting and self.worst_ttl is not None:
            clauses.append(f"the rest within {_wait(self.worst_ttl)} by their TTL")
        if self.silent:
            clauses.append(f"{self.silent} did not answer")
        return "".join(f", {clause}" for clause in clauses)


def seen(answer: Answer, good: Callable[[tuple[str, ...]], bool]) -> Propagation:
    """How many of the servers that were asked have values that are good."""
    return count(answer.servers, good)


def count(servers: Iterable[ServerAnswer], good: Callable[[tuple[str, ...]], bool]) -> Propagation:
    """The same for any answers, such as those of several resolvers."""
    asked = tuple(servers)
    silent = [each for each in asked if faults.failed(each.outcome)]
    without = [each for each in asked if each not in silent and not good(each.values)]
    ttls = [each.ttl for each in without if each.ttl is not None]
    return Propagation(
        seen=len(asked) - len(silent) - len(without),
        of=len(asked),
        worst_ttl=max(ttls, default=None),
        silent=len(silent),
    )


def _wait(seconds: int) -> str:
    """Rounded up, and one minute at least."""
    return words.span(timedelta(seconds=max(60, seconds)), up=True)
