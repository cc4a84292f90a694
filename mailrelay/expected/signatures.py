"""What identifies a recurring report: its sender, and its subject without the parts that change. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from quazzar import words

_LONGEST = 200
#: "Cron <root@nas> /usr/local/bin/backup --keep 7": a command is the same each time, and its numbers belong to it.
_CRON = re.compile(r"(?:\(\S*\) )?Cron <([^>\s]{1,120})>\s+(.+)", re.DOTALL)
_NAMES = (
    r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?",
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?",
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|am|pm|utc|gmt|cest|cet|e[sd]t|p[sd]t",
)
#: Words that only a date or a time of the day has. They count as one only beside a number.
_DATE_WORDS = rf"(?:{'|'.join(_NAMES)})\b\.?,?"
#: A number with its sign, separators, unit and percent sign; a date, a time, a hexadecimal id. Not the 2 of "db2".
_NUMBER = r"(?<![\w.-])[#+-]?\d[\d.,:/_-]*(?:T[\d:.,]+)?(?:Z|st|nd|rd|th|ms|min|[smhd]|%|[kMGT]i?B?)?(?![A-Za-z0-9])"
_HEXADECIMAL = r"\b(?=[0-9a-f-]*\d)(?=[0-9a-f-]*[a-f])[0-9a-f][0-9a-f-]{6,}[0-9a-f]\b"
_CHANGING = re.compile(rf"{_HEXADECIMAL}|{_NUMBER}", re.IGNORECASE)
_AROUND = re.compile(rf"(?:\b{_DATE_WORDS}\s*)*#(?:\s*(?:#|{_DATE_WORDS}))*", re.IGNORECASE)
#: Alerts that fire all the time so that their end is noticed.
_HEARTBEATS = frozenset({"watchdog", "deadmansswitch", "deadmanswitch", "deadmanssnitch", "heartbeat"})


@dataclass(frozen=True, slots=True)
class Signature:
    """Which report it is.

    Attributes:
        kind: one of ``ExpectedReport.Kind``.
        source: who sends it.
        title: the job, the alert, or the subject as ``constant`` leaves it.
        name: what people call it.
    """

    kind: str
    source: str
    title: str
    name: str

    @property
    def key(self) -> str:
        """The same for all reports of this kind, source and title."""
        return sha256("\0".join((self.kind, self.source, self.title)).encode("utf-8", "replace")).hexdigest()


def of_backup(job: str) -> Signature:
    """A backup report, which names its job."""
    return _signature("backup", "", job, job)


def of_mail(sender: str, subject: str) -> Signature:
    """A mail through sendmail.

    Args:
        sender: the author's address, such as ``root`` or ``root@nas``.
        subject: decoded.
    """
    if cron := _CRON.match(words.one_line(subject)):
        command = cron[2]
        first, _, rest = command.partition(" ")
        return _signature("sendmail", cron[1], command, f"{first.rpartition('/')[2] or first} {rest}".strip())
    return _by_subject("sendmail", sender, subject)


def of_message(key: str, subject: str) -> Signature:
    """A message by API.

    Args:
        key: the name of the API key, which a new key under the same name takes over.
    """
    return _by_subject("message", key, subject)


def title_of(source: str, subject: str) -> str:
    """The title of the report that a message with this ``Message.source`` was; empty if its subject is none."""
    match source:
        case "sendmail":
            return of_mail("", subject).title
        case "api":
            return of_message("", subject).title
    return ""


def of_heartbeat(alert: str) -> Signature | None:
    """An alert that is a heartbeat; None for any other."""
    plain = "".join(filter(str.isalnum, alert)).casefold()
    return _signature("heartbeat", "", alert, alert) if plain in _HEARTBEATS else None


def constant(subject: str) -> str:
    """The subject with ``#`` in place of numbers, dates, times, sizes and ids."""
    marked = _CHANGING.sub("#", words.one_line(subject))
    return " ".join(_AROUND.sub("#", marked).split()) or "(no subject)"


def _by_subject(kind: str, source: str, subject: str) -> Signature:
    title = constant(subject)
    return _signature(kind, source, title, title.strip(" #") or title)


def _signature(kind: str, source: str, title: str, name: str) -> Signature:
    title, name = (words.one_line(text, _LONGEST) or "(no subject)" for text in (title, name))
    return Signature(kind, words.one_line(source, _LONGEST), title, name)
