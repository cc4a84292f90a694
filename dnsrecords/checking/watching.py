"""When a record that was right breaks, and when it is right again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dnsrecords.verdicts import Status

Event = Literal["", "broken", "recovered"]
#: Name servers that do not answer once are no news; that often in a row they are.
ERRORS_BEFORE_NEWS = 3


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of a record from the checks before.

    Attributes:
        was_ok: it was right once. What never was is work to be done, and no news.
        failures: checks in a row that did not end in ok.
        told: the operator knows that it is broken.
    """

    was_ok: bool = False
    failures: int = 0
    told: bool = False


def step(memory: Memory, status: Status) -> tuple[Memory, Event]:
    """What is known after another check, and what the operator has to hear."""
    if status is Status.UNCHECKED:
        return memory, ""
    if status is Status.OK:
        return Memory(was_ok=True), "recovered" if memory.told else ""
    failures = memory.failures + 1
    news = memory.was_ok and not memory.told
    if status is Status.ERROR and failures < ERRORS_BEFORE_NEWS:
        news = False
    return Memory(memory.was_ok, failures, memory.told or news), "broken" if news else ""
