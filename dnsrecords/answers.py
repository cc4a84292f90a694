"""What comes back from DNS: plain values, no exceptions for what DNS can say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a question ended."""

    FOUND = "found"
    NO_DATA = "no_data"
    NXDOMAIN = "nxdomain"
    SERVFAIL = "servfail"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    LAME = "lame"
    NO_SERVER = "no_server"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What one name server said."""

    server: str
    address: str
    outcome: Outcome
    values: tuple[str, ...] = ()
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What DNS says to one question."""

    name: str
    type: str
    outcome: Outcome
    values: tuple[str, ...] = ()
    ttl: int | None = None
    cname: str = ""
    servers: tuple[ServerAnswer, ...] = ()
    authenticated: bool = False

    @property
    def exists(self) -> bool:
        """Whether there are values."""
        return bool(self.values)
