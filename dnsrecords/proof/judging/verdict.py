"""What a proof says: stations on the way of a mail, and what was checked at each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Mark(StrEnum):
    """How a check ended, the worst first. The values are in the API."""

    BAD = "bad"
    WARNING = "warning"
    #: Still to come.
    PENDING = "pending"
    UNKNOWN = "unknown"
    OK = "ok"


_ORDER = list(Mark)


class At(StrEnum):
    """The stations of a proof, in their order. The values are in the API."""

    #: This node: the queue, and its clock.
    NODE = "node"
    #: The relay, or this node's mail server: the one that sends the mail to the world.
    SENDER = "sender"
    #: A server in between.
    HOP = "hop"
    #: Where the receiving side takes it: the sender's address, its name, TLS.
    DOOR = "door"
    #: Whom the mail is from, as receivers find out.
    IDENTITY = "identity"
    MAILBOX = "mailbox"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        key: names it, such as spf, dkim, alignment, dmarc, ptr, blocklists, tls, clock, time, spam.
        sentence: what was found.
        remedy: what to do; empty: nothing.
        page: URL name of the console's page where to do it.
    """

    key: str
    mark: Mark
    sentence: str
    remedy: str = ""
    page: str = ""


@dataclass(frozen=True, slots=True)
class Station:
    """A place on the way.

    Attributes:
        title: what it is, in a word or two.
        host: its name, and ``ip`` the address it was seen with.
        at: when it had the mail (ISO 8601, UTC); empty: not known.
        seconds: since the station before; None: not known.
        tls: how the mail came here: ``TLS 1.3``, ``unencrypted``, or empty: not known.
    """

    key: At
    title: str
    host: str = ""
    ip: str = ""
    at: str = ""
    seconds: float | None = None
    tls: str = ""
    checks: tuple[Check, ...] = ()

    @property
    def mark(self) -> Mark:
        """The worst of its checks; unknown without any."""
        return worst(check.mark for check in self.checks)


@dataclass(frozen=True, slots=True)
class Verdict:
    """All stations, and the result in a sentence."""

    stations: tuple[Station, ...]
    sentence: str
    advice: str = ""
    seconds: float | None = None

    @property
    def mark(self) -> Mark:
        """The worst of all stations."""
        return worst(station.mark for station in self.stations)

    @property
    def proves_sender(self) -> bool:
        """The mail arrived, and what it says about its sender was proven."""
        checks = {check.key: check.mark for station in self.stations for check in station.checks}
        return checks.get("alignment") is Mark.OK and checks.get("arrived") is Mark.OK

    def to_json(self) -> dict[str, Any]:
        """The verdict as ``Proof.verdict`` stores it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Verdict:
        """The verdict that ``to_json()`` stored."""
        stations = tuple(
            Station(
                **{
                    **station,
                    "key": At(station["key"]),
                    "checks": tuple(
                        Check(**{**check, "mark": Mark(check["mark"])}) for check in station["checks"]
                    ),
                }
            )
            for station in value["stations"]
        )
        return cls(stations, value["sentence"], value["advice"], value["seconds"])


def worst(marks: Iterable[Mark]) -> Mark:
    """The worst of them."""
    return min(marks, key=_ORDER.index, default=Mark.UNKNOWN)


def first(stations: Sequence[Station], mark: Mark) -> tuple[Station, Check] | None:
    """The first check with this mark, and where it is."""
    return next(
        ((station, check) for station in stations for check in station.checks if check.mark is mark), None
    )
