"""What other parts of the product know about a message after the relay took it: they register here, and its page asks.

The mail server's logs do, when the relay is this node's own mail server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from mailrelay.models import Message


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to a mail.

    Attributes:
        kind: in a word, for programs.
        tone: the colour: ok, busy, wait, bad or off.
        title: what happened, in a few words.
        said: the server's words.
        details: where it was, how long it took, who it was for.
        hint: what to do about it.
    """

    at: datetime
    kind: str
    tone: str
    icon: str
    title: str
    said: str = ""
    details: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Onward:
    """How the message went on, and the page that tells more."""

    steps: Sequence[Step]
    url: str


Source = Callable[[Message], Onward | None]
_sources: list[Source] = []


def register(source: Source) -> None:
    """Adds a source; registering it again changes nothing."""
    if source not in _sources:
        _sources.append(source)


def of(message: Message) -> Onward | None:
    """What the first source that knows the message says; None if none does."""
    return next(filter(None, (source(message) for source in _sources)), None)
