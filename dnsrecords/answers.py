"""What comes back from DNS: plain values, no exceptions for what DNS can say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

#: Name and type of the records that are asked for.
Question: TypeAlias = tuple[str, str]


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


#: Asks DNS for a name and a type; CNAMEs are followed already.
Lookup: TypeAlias = Callable[[str, str], Answer]


def remembering(lookup: Lookup, answers: Mapping[Question, Answer] | None = None) -> Lookup:
    """A look-up that asks each question once.

    Args:
        answers: to questions that were asked already.
    """
    known = dict(answers or {})

    def remembered(name: str, type_: str) -> Answer:
        if (name, type_) not in known:
            known[name, type_] = lookup(name, type_)
        return known[name, type_]

    return remembered
