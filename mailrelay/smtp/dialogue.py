"""What callers give to the SMTP edge, and what they get back: target, envelope, reply, outcome, trace; and for a
pipeline, jobs and events. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mailrelay.smtp import wire
from mailrelay.smtp.wire import Reply
from quazzar.errors import DeliveryError

#: The stages of sending one mail, in order; failures and the relay test name them.
STAGES = ("resolve", "connect", "tls", "auth", "sender", "recipient", "data", "done")

#: Kind of failure: more recipients than the server takes in one mail.
TOO_MANY = "too_many_recipients"


@dataclass(frozen=True, slots=True)
class Target:
    """Where mail goes, and how. Equal targets can share connections.

    Attributes:
        security: starttls, tls (from the first byte) or none.
        username: empty where the server wants no login.
    """

    host: str
    port: int
    security: str
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message as it goes out.

    Attributes:
        sender: the envelope sender; empty for the null sender of bounces.
        data: the complete message; each connection makes it legal for its server (``mailrelay.legal``).
        utf8: whether an address needs SMTPUTF8 (RFC 6531).
    """

    sender: str
    recipients: tuple[str, ...]
    data: bytes = field(repr=False)
    utf8: bool = False

    def __post_init__(self) -> None:
        """Check the addresses here, because a connection's thread has no caller to raise to.

        Raises:
            ValueError: there is no recipient, or an address would end its command early.
        """
        if not self.recipients or not all(self.recipients):
            raise ValueError("there is no recipient")
        for address in (self.sender, *self.recipients):
            if not wire.safe_path(address):
                raise ValueError(f"{address[:60]!r} is not a mail address")


@dataclass(slots=True)
class Outcome:
    """What became of one envelope. With neither ``error`` nor ``refused``, everybody got it.

    Attributes:
        error: why nobody got it.
        refused: recipient → failure, for those that were refused when the others were accepted.
        reply: the server's last answer; to a mail that it took, without our credentials.
        most: how many recipients the server takes at once, if these were too many; else 0.
    """

    error: DeliveryError | None = None
    refused: dict[str, DeliveryError] = field(default_factory=dict)
    reply: Reply | None = None
    most: int = 0


@dataclass(slots=True)
class Trace:
    """What the caller can watch of a connection while it runs.

    Attributes:
        on_stage: called with the name of each stage as it begins.
        lines: the transcript, without credentials; None: none is kept.
    """

    on_stage: Callable[[str], None] = lambda stage: None
    lines: list[str] | None = None


@dataclass(slots=True)
class Job:
    """A message to send.

    Attributes:
        key: the id of its row.
        reopened: it was already moved once to a new connection because the old one had died.
        part: the mail goes out in parts, and this is one; ``rest``: recipients of the parts after it.
    """

    key: int
    envelope: Envelope
    reopened: bool = False
    part: bool = False
    rest: tuple[str, ...] = ()


@dataclass(slots=True)
class Result:
    """What became of a job, and how many seconds that took. One that is ``in_doubt`` holds a permit until
    ``Pipeline.settle``."""

    job: Job
    outcome: Outcome
    in_doubt: bool = False
    seconds: float | None = None


@dataclass(slots=True)
class Opened:
    """A connection is there: the relay answers. ``new``: it was opened for this, and signed in where that is wanted."""

    new: bool = True


@dataclass(slots=True)
class Down:
    """A connection could not be opened in so many seconds, and there will be no other in its place.

    ``job`` was assigned to it and was not tried.
    """

    error: DeliveryError
    job: Job | None
    seconds: float | None = None


Event = Result | Opened | Down
