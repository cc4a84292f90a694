"""Whether mail leaves, as seen at the last test or delivery with the settings that are in force."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from mailrelay import history
from mailrelay.models import Message, RelaySettings
from mailrelay.queue.outbox import RELAY_STAGES
from quazzar.models import AuditEntry

Status = Message.Status
#: Stage → where the relay fails, as words.
STAGES = {
    "resolve": "host name look-up",
    "connect": "connecting",
    "tls": "TLS",
    "auth": "sign-in",
    "sender": "the sender",
    "recipient": "the recipient",
    "data": "the message itself",
}
#: Status codes that say something about the recipient's address or mailbox, not about the relay (RFC 3463 §3.2, §3.3).
_ADDRESS = re.compile(r"(?<![\d.])[45]\.(?:1\.(?:1|2|3|4|6|10)|2\.\d+)(?![\d.]*\d)")
#: Settings with which an earlier delivery proves nothing once they are changed.
_DECISIVE = frozenset({"host", "port", "security", "username", "password", "from_address"})
#: How many of the latest messages of each status are read: the state must cost the same in a queue of millions.
_LATEST = 50


class State(StrEnum):
    """Whether mail is known to leave: never tried, the last try worked, or it failed."""

    UNTESTED = "untested"
    WORKS = "works"
    FAILING = "failing"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known about the relay.

    Attributes:
        at: when mail last left, or since when it fails; None if nothing was tried.
        stage: where it fails (see ``STAGES``); empty otherwise.
        error: the server's words, and ``code`` its SMTP code.
    """

    state: State
    at: datetime | None = None
    stage: str = ""
    error: str = ""
    code: int | None = None

    @property
    def place(self) -> str:
        """Where it fails, as words."""
        return STAGES.get(self.stage, self.stage)

    @property
    def trouble(self) -> str:
        """What fails there, as a clause."""
        return f"it refuses {self.place}" if self.place.startswith("the ") else f"{self.place} fails"


class Failure(NamedTuple):
    """A message that the relay did not take.

    Attributes:
        at: when it was last tried; ``tried`` has the earlier times.
    """

    created_at: datetime
    at: datetime
    stage: str
    error: str
    code: int | None = None
    tried: tuple[datetime, ...] = ()


def judge(delivered: Iterable[datetime], failures: Iterable[Failure], since: datetime | None) -> Standing:
    """The newest evidence counts. Pure.

    Args:
        delivered: when messages left.
        failures: failed tests, and messages that failed because of the relay itself.
        since: what is older says nothing about the present settings; None: everything counts.
    """
    arrivals = [at for at in delivered if since is None or at >= since]
    failed = [failure for failure in failures if since is None or failure.at >= since]
    arrived = max(arrivals, default=None)
    unanswered = [failure for failure in failed if arrived is None or failure.at > arrived]
    if unanswered:
        latest = max(unanswered, key=lambda failure: failure.at)
        floor = max(filter(None, (arrived, since)), default=None)
        begun = [failure.created_at for failure in unanswered if floor is None or failure.created_at >= floor]
        # What was queued while mail still left fails from its first attempt after that, not from its latest.
        tried = [at for each in unanswered for at in (*each.tried, each.at) if floor is None or at >= floor]
        first = min([*begun, *tried])
        return Standing(State.FAILING, first, latest.stage, latest.error, latest.code)
    return Standing(State.UNTESTED) if arrived is None else Standing(State.WORKS, arrived)


def read() -> Standing:
    """The state now, with few queries on indexes."""
    sent = Message.objects.filter(status=Status.SENT).order_by("-id").values_list("sent_at", flat=True)
    delivered, failures = [at for at in sent[:_LATEST] if at], [*_failures()]
    saved = RelaySettings.objects.filter(pk=1).values_list("updated_at", flat=True).first()
    standing = judge(delivered, failures, saved)
    # Perhaps only recipients or names changed when they were saved: then what was seen before still counts.
    return standing if standing.state is State.WORKS else judge(delivered, failures, _changed_at(saved))


def _failures() -> Iterable[Failure]:
    for status in (Status.RETRYING, Status.FAILED):
        rows = Message.objects.filter(status=status, last_error__isnull=False).order_by("-id")
        columns = ("source", "created_at", "last_error", "history")
        for source, created_at, stored, entries in rows.values_list(*columns)[:_LATEST]:
            error = stored or {}
            stage, words = str(error.get("stage", "")), str(error.get("message", ""))
            is_test = source == Message.Source.TEST and not (stage == "recipient" and _ADDRESS.search(words))
            if stage in RELAY_STAGES or is_test:
                at = datetime.fromisoformat(error["at"]) if "at" in error else created_at
                tried = tuple(datetime.fromisoformat(each["at"]) for each in history.attempts(entries or []))
                yield Failure(created_at, at, stage, words, error.get("code"), tried)


def _changed_at(saved: datetime | None) -> datetime | None:
    """When a setting was last changed on which delivery depends, as far as the latest entries of the audit log say."""
    entries = AuditEntry.objects.order_by("-id").values_list("action", "at", "fields")[: 10 * _LATEST]
    changes = (
        at for action, at, fields in entries if action == "relay.changed" and not _DECISIVE.isdisjoint(fields)
    )
    return min(filter(None, (next(changes, saved), saved)), default=None)
