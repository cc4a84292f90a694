"""What a log line says, whichever daemon wrote it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from quazzar import words

LONGEST_TEXT: Final = 500


class Kind:
    """What happened, in a word. The order is that of a mail's life."""

    # --- a mail
    ACCEPTED = "accepted"
    #: Only tells the Message-ID.
    IDENTIFIED = "identified"
    SCANNED = "scanned"
    SIGNED = "signed"
    REFUSED = "refused"
    #: Refused for now: the sender is to try again.
    PUT_OFF = "put_off"
    QUEUED = "queued"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    EXPIRED = "expired"
    FILED = "filed"
    NOT_FILED = "not_filed"
    FORWARDED = "forwarded"
    #: Sieve could not forward or answer.
    SIEVE_FAILED = "sieve_failed"
    DUPLICATE = "duplicate"
    DISCARDED = "discarded"
    SIEVE_REFUSED = "sieve_refused"
    REPLIED = "replied"
    #: A report to the sender was queued: of failure, of delay, of delivery.
    REPORTED = "reported"
    #: A report came back from another server, which had taken the mail.
    RETURNED = "returned"
    HELD = "held"
    RELEASED = "released"
    REQUEUED = "requeued"
    DELETED = "deleted"
    REMOVED = "removed"
    # --- a connection that did not become a mail
    LOST = "lost"
    MISUSED = "misused"
    NO_TLS = "no_tls"
    SIGN_IN = "sign_in"
    SIGN_IN_FAILED = "sign_in_failed"


#: Of connections. Repeated ones are counted, not listed.
CONNECTIONS: Final = frozenset({Kind.LOST, Kind.MISUSED, Kind.NO_TLS, Kind.SIGN_IN, Kind.SIGN_IN_FAILED})


@dataclass(frozen=True, slots=True)
class Event:
    """What a line says. Addresses are as the daemon wrote them; what it did not write is empty.

    Attributes:
        process: daemon and process number, which name a session while it lasts.
        client: address of the machine at the other end, and ``client_name`` its name.
        login: who had signed in.
        remote: the server that took or refused the mail; or the folder that it was filed in.
        code: enhanced code, or the reply code if there is none.
        text: the daemon's words, or the remote server's.
        score: Rspamd's.
        data: what only this kind has, see the parsers.
    """

    service: str
    kind: str
    queue_id: str = ""
    message_id: str = ""
    sender: str | None = None
    recipients: tuple[str, ...] = ()
    client: str = ""
    client_name: str = ""
    login: str = ""
    remote: str = ""
    code: str = ""
    text: str = ""
    score: float | None = None
    process: str = ""
    data: dict[str, Any] = field(default_factory=dict)


def tidy(text: str) -> str:
    """A daemon's words on one line, not too long."""
    return words.one_line(text, LONGEST_TEXT)
