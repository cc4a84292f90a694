"""How far a change has spread: which name servers or resolvers have it, and how long the others may take. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from dnsrecords import faults
from dnsrecords.answers import Outcome
from quazzar import words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dnsrecords.answers import ServerAnswer


@dataclass(frozen=True, slots=True)
class Propagation:
    """How far a change has got.

    Attributes:
        seen: on how many servers.
        asked: how many servers.
        worst_ttl: seconds for which others may still keep what the rest of the servers say; None: not known.
        silent: servers that did not answer; they count as not having it.
        unasked: servers that there was no time to ask, likewise.
    """

    seen: int
    asked: int
    worst_ttl: int | None = None
    silent: int = 0
    unasked: int = 0

    @property
    def complete(self) -> bool:
        """Whether every server has it; not if none was asked."""
        return 0 < self.asked == self.seen

    def sentence(self, what: str = "name servers") -> str:
        """As it follows the name of a record: "seen on 2 of 4 name servers, the rest within 47 min by their TTL"."""
        if not self.asked:
            return f"not checked anywhere: there are no {what} to ask"
        if not self.complete:
            return f"seen on {self.seen} of {self.asked} {what}{self._rest()}"
        return (
            f"seen on all {self.asked} {what}"
            if self.asked > 1
            else f"seen on the only {what.removesuffix('s')}"
        )

    def _rest(self) -> str:
        waiting = self.asked - self.seen - self.silent - self.unasked
        clauses = []
        if waiting and self.worst_ttl is not None:
            clauses.append(f"the rest within {_wait(self.worst_ttl)} by their TTL")
        if self.silent:
            clauses.append(f"{self.silent} did not answer")
        if self.unasked:
            clauses.append(f"there was no time to ask {self.unasked}")
        return "".join(f", {clause}" for clause in clauses)


def seen(servers: Sequence[ServerAnswer], is_right: Callable[[tuple[str, ...]], bool]) -> Propagation:
    """How many of some servers, or resolvers, have values that are right."""
    unheard = [server for server in servers if faults.is_unheard(server)]
    late = [server for server in servers if server not in unheard and not is_right(server.values)]
    unasked = sum(server.outcome is Outcome.UNASKED for server in unheard)
    return Propagation(
        seen=len(servers) - len(unheard) - len(late),
        asked=len(servers),
        worst_ttl=max((server.ttl for server in late if server.ttl is not None), default=None),
        silent=len(unheard) - unasked,
        unasked=unasked,
    )


def _wait(seconds: int) -> str:
    """Rounded up, and one minute at least."""
    return words.span(timedelta(seconds=max(60, seconds)), up=True)
