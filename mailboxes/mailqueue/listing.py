"""Reads the output of ``postqueue -j`` (postqueue(1), "JSON OBJECT FORMAT"), and groups it by reason. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from quazzar import words

_LONGEST = 300
#: The most digits of a number of mails; int() refuses thousands of them.
_DIGITS = 18
#: What Postfix says before the server's words: "host mx.example.org[192.0.2.1] said: 450 4.2.0 try later".
_SAID = re.compile(
    r"(?:host|server) (?P<host>[^\s\[]{1,255})\[[^\]]*\](?::\d+)?:? (?:said|refused to talk to me): (?P<words>.*)"
)
_CONNECT = re.compile(r"connect to (?P<host>[^\s\[]{1,255})\[[^\]]*\](?::\d+)?: (?P<words>.*)")
_WITH = re.compile(r"(?P<before>.*?) (?:with|from) (?P<host>[^\s\[]{1,255})\[[^\]]*\](?P<words>.*)")
_LOOKUP = re.compile(r"(?P<before>Name service error for) name=(?P<host>\S{1,255})(?P<words>.*)")
#: The parts of a sentence that differ from mail to mail: addresses and queue ids.
_PARTICULAR = re.compile(
    r"<[^<>\s]*@[^<>\s]*>|\b[^\s<>@]+@[^\s<>@]+\.\w+\b|\[[0-9a-fA-F:.]+\](?::\d+)?|\b[0-9A-Fa-f]{9,}\b"
)
_COMMAND = re.compile(r" \(in reply to [^)]*\)$")
_SUSPENDED = "delivery temporarily suspended: "
#: Reasons that are this server's own, and hold up every mail that leaves: a wrong relay password or certificate.
_OURS = re.compile(
    r"SASL (?:\[CACHED\] )?authentication|\b53[045][ -]|"
    r"certificate (?:not verified|not trusted|verification)|Cannot start TLS",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Recipient:
    """A recipient who has not received the mail yet.

    Attributes:
        reason: why, in Postfix's words; empty if it was not tried yet.
    """

    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mail in Postfix's queue.

    Attributes:
        queue: Postfix's name of it: incoming, active, deferred, hold …
        sender: of the envelope; empty for a bounce.
        size: bytes.
    """

    id: str
    queue: str
    arrived_at: datetime
    size: int
    sender: str
    recipients: tuple[Recipient, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """Mail that waits for the same thing.

    Attributes:
        text: the server's words, without the parts that differ from mail to mail.
        host: which server says so, or one of several.
        count: mails.
        ours: the fault is this server's, so no mail leaves this way.
    """

    text: str
    host: str
    count: int
    ours: bool


@dataclass(frozen=True, slots=True)
class Summary:
    """The queue in short.

    Attributes:
        oldest_at: None if the queue is empty.
        reasons: the most frequent first.
    """

    count: int
    oldest_at: datetime | None
    reasons: tuple[Reason, ...]


def read(output: str) -> tuple[list[Waiting], int]:
    """The mails that the output lists, and how many there are in all, which its last line says.

    Lines that cannot be read are left out.
    """
    mails, total = list[Waiting](), 0
    for line in output.splitlines():
        if line.isascii() and line.isdigit() and len(line) <= _DIGITS:
            total = int(line)
        elif mail := _mail(line):
            mails.append(mail)
    return mails, max(total, len(mails))


def summarise(mails: Iterable[Waiting], total: int) -> Summary:
    """The queue in short. Mail that is on its way for the first time counts, but has no reason."""
    known = list(mails)
    found = sorted(reason for mail in known for reason in _reasons(mail))
    grouped = [(text, list(group)) for text, group in groupby(found, key=lambda reason: reason[0])]
    reasons = [Reason(text, group[0][1], len(group), group[0][2]) for text, group in grouped]
    return Summary(
        count=total,
        oldest_at=min((mail.arrived_at for mail in known), default=None),
        reasons=tuple(sorted(reasons, key=lambda reason: (-reason.count, reason.text))),
    )


def _mail(line: str) -> Waiting | None:
    try:
        found: dict[str, Any] = json.loads(line)
        return Waiting(
            id=str(found["queue_id"]),
            queue=str(found["queue_name"]),
            arrived_at=datetime.fromtimestamp(int(found["arrival_time"]), UTC),
            size=int(found["message_size"]),
            sender=_clean(found["sender"]),
            recipients=tuple(
                Recipient(_clean(to["address"]), _clean(to.get("delay_reason", "")))
                for to in found["recipients"]
            ),
        )
    except (ValueError, KeyError, TypeError, OverflowError, OSError, AttributeError, RecursionError):
        return None


def _clean(text: object) -> str:
    return words.one_line(str(text), _LONGEST)


def _reasons(mail: Waiting) -> Iterator[tuple[str, str, bool]]:
    """(words, host, whether the fault is ours) of the mail's recipients, each once."""
    seen: set[str] = set()
    for recipient in mail.recipients:
        if not recipient.reason:
            continue
        text, host = spoken(recipient.reason)
        if text not in seen:
            seen.add(text)
            yield text, host, bool(_OURS.search(recipient.reason))


def spoken(reason: str) -> tuple[str, str]:
    """The words by which mail is grouped, and the server that said them, from Postfix's reason for a delay."""
    text = _COMMAND.sub("", reason[:_LONGEST].removeprefix(_SUSPENDED))
    host = ""
    for pattern in (_SAID, _CONNECT, _LOOKUP, _WITH):
        if match := pattern.search(text):
            parts = match.groupdict()
            host, text = parts["host"], f"{parts.get('before') or ''}{parts['words']}"
            break
    return _PARTICULAR.sub("…", text).strip(" .;"), host
