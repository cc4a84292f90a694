"""Answers from DNS as plain values; every possible answer of DNS is a value, not an exception."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

#: Name and type of the records that are asked for.
Question: TypeAlias = tuple[str, str]


class Outcome(StrEnum):
    """How a question ended: the first three are answers, the others failures (`dnsrecords.faults`)."""

    FOUND = "found"
    NO_DATA = "no_data"
    NXDOMAIN = "nxdomain"
    SERVFAIL = "servfail"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    LAME = "lame"
    NO_SERVER = "no_server"
    BAD = "bad"
    #: There was no time left to ask, which says nothing about any server.
    UNASKED = "unasked"


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """The answer of one name server.

    Attributes:
        server: its name.
        ttl: seconds for which caches may keep it; None: not known.
        cname: where CNAMEs lead from the name by this server; empty: nowhere.
    """

    server: str
    address: str
    outcome: Outcome
    values: tuple[str, ...] = ()
    ttl: int | None = None
    cname: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question.

    Attributes:
        values: as text; names in lower case without a final dot, TXT as one string with its bytes read as Latin-1.
        ttl: seconds for which caches may keep it; None: not known.
        cname: where CNAMEs lead from the name; empty: there are none.
        dname: the name above whose DNAME record makes the first of these CNAMEs (RFC 6672); empty: none does.
        servers: what each of the zone's name servers answered; empty: they were not asked.
        authenticated: whether a recursive server has validated it (DNSSEC).
        wildcard: the values that a wildcard answers, sorted; a name for which it answers them has no record of its
            own (RFC 4592). None: no wildcard is known to answer.
        zone: the zone that the name is in, by its SOA record; empty: not known, or a registry's.
    """

    name: str
    type: str
    outcome: Outcome
    values: tuple[str, ...] = ()
    ttl: int | None = None
    cname: str = ""
    servers: tuple[ServerAnswer, ...] = ()
    authenticated: bool = False
    dname: str = ""
    wildcard: tuple[str, ...] | None = None
    zone: str = ""

    @property
    def exists(self) -> bool:
        """Whether the name has a record of this type."""
        return bool(self.values)


#: Asks DNS for a name and a type, and follows CNAMEs.
Lookup: TypeAlias = Callable[[str, str], Answer]


def remembering(lookup: Lookup, answers: Mapping[Question, Answer] | None = None) -> Lookup:
    """A look-up that asks each question once.

    Args:
        answers: the answers to questions that were asked before.
    """
    remembered = dict(answers or {})

    def look_up_once(name: str, type_: str) -> Answer:
        if (name, type_) not in remembered:
            remembered[name, type_] = lookup(name, type_)
        return remembered[name, type_]

    return look_up_once
