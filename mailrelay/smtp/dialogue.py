"""What a caller and the SMTP edge say to each other: target, envelope, reply, outcome. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mailrelay.smtp import wire
from quazzar.errors import DeliveryError

STAGES = ("resolve", "connect", "tls", "auth", "sender", "recipient", "data", "done")


@dataclass(frozen=True, slots=True)
class Target:
    """Where mail goes, and how. Equal targets can share connections."""

    host: str
    port: int
    security: str
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message on the wire: who it is from, whom it goes to, and the complete MIME bytes with CRLF."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes = field(repr=False)
    utf8: bool = False

    def __post_init__(self) -> None:
        """Checked here, because the thread of a connection has nobody to tell.

        Raises:
            ValueError: there is no recipient, or an address would end its command early.
        """
        if not self.recipients or not all(self.recipients):
            raise ValueError("there is no recipient")
        for address in (self.sender, *self.recipients):
            if not wire.safe_path(address):
                raise ValueError(f"{address[:60]!r} is not a mail address")


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer."""

    code: int
    text: str

    @property
    def good(self) -> bool:
        """2xx or 3xx."""
        return 200 <= self.code < 400


@dataclass(slots=True)
class Outcome:
    """What became of one envelope.

    ``error`` is set when nobody got it; ``refused`` has the recipients that were refused one by one. With
    neither, everybody got it. ``reply`` is the server's last word.
    """

    error: DeliveryError | None = None
    refused: dict[str, DeliveryError] = field(default_factory=dict)
    reply: Reply | None = None


@dataclass(slots=True)
class Trace:
    """What is told of a connection while it runs: ``on_stage(stage)`` as each begins, and the dialogue
    without credentials."""

    on_stage: Callable[[str], None] = lambda stage: None
    lines: list[str] | None = None
