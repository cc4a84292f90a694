"""Sizes, counts, times and foreign texts as people read them, in pages, mails, errors and commands. Pure."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime

# RFC 3339 §5.6, and the zones of ISO 8601 (+0000, +00), which date(1) and PHP write. datetime.fromisoformat alone also
# takes dates, weeks and times without a zone.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)? ?([Zz]|UTC|[+-]\d\d(:?\d\d)?)")
_TIME_SPACE = re.compile(r" (?=[Z+-])")
# The dates of mail: Sun, 22 Nov 2026 02:00:00 +0100.
_MAIL_TIME = re.compile(r"([A-Za-z]{3},? )?\d{1,2} [A-Za-z]{3} \d{4} \d\d:\d\d(:\d\d)? ([+-]\d{4}|GMT|UTC)")
# Seconds since 1970: a number as large as one of this century. Milliseconds are a thousand times as large.
_FIRST_SECOND, _LAST_SECOND = 946_684_800, 4_102_444_800
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
# C0 and C1 controls, line and paragraph separators, bidirectional overrides, and half characters.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# ECMA-48 §5.4, §5.6 and §8.3: control sequences such as colours, control strings such as links, other escapes.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x90-\x9f\n]*(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]?"
)
# Of the characters that nobody sees, the ones that are no format characters; and of these, the ones that Persian, Hindi
# and emoji need.
_FILLERS, _JOINERS = "\u115f\u1160\u2800\u3164\uffa0", "\u200c\u200d"
_UNPRINTABLE_BUT_LINES = re.compile(r"(?![\n\t])" + _UNPRINTABLE.pattern)


def printable(text: str) -> bool:
    """Whether the text is one line without control characters and halves of surrogate pairs."""
    return not _UNPRINTABLE.search(text)


def unseen(text: str) -> str:
    """The name of the first character that nobody sees, such as one that reverses those after it; empty: none."""
    found = next(filter(_is_unseen, text), "")
    return f"{unicodedata.name(found).lower()}, U+{ord(found):04X}" if found else ""


def seen(text: str) -> str:
    """The text in one line without control characters, colour codes and characters that nobody sees."""
    return one_line("".join(char for char in text if not _is_unseen(char)))


def _is_unseen(char: str) -> bool:
    return char in _FILLERS or (unicodedata.category(char) == "Cf" and char not in _JOINERS)


def one_line(text: str, most: int = 500) -> str:
    """The text in one line without control characters and colour codes, at most ``most`` characters long."""
    if not text.isprintable():
        text = _UNPRINTABLE.sub(" ", _ESCAPES.sub("", text))
    return cut(" ".join(text.split()), most)


def lines(text: str, most: int = 10_000) -> str:
    """The text with its line breaks and tabs, without other control characters and colour codes, at most ``most``
    characters long."""
    unix = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return cut(_UNPRINTABLE_BUT_LINES.sub("", unix).strip(), most)


def cut(text: str, most: int) -> str:
    """The first ``most`` characters; an ellipsis, counted in, shows that some are missing."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def parse_time(text: str) -> datetime:
    """A time with its zone as a datetime in UTC: RFC 3339, ISO 8601 as date(1) writes it, or the date of a mail.

    Raises:
        ValueError: the text is not such a time.
    """
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(_TIME_SPACE.sub("", text.upper().replace("UTC", "Z"))).astimezone(
                UTC
            )
        if _MAIL_TIME.fullmatch(text):
            return parsedate_to_datetime(text).astimezone(UTC)
    except OverflowError as exc:
        raise ValueError(text) from exc
    raise ValueError(text)


def read_time(value: object) -> datetime | None:
    """A time as scripts write it, also as seconds since 1970; None if it is unclear or not plausible.

    Not plausible are, for example, the zero times of programming languages.
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC) if _FIRST_SECOND <= value < _LAST_SECOND else None
        time = parse_time(value.strip()) if isinstance(value, str) else None
    except ValueError:
        return None
    return time if time and _FIRST_SECOND <= time.timestamp() < _LAST_SECOND else None


def moment(time: datetime) -> str:
    """A time in UTC as a record has it, such as 2026-11-03 12:04:30 UTC."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def minute(time: datetime, zone: tzinfo = UTC) -> str:
    """A time as sentences have it, such as 2026-11-03 12:04 UTC. Pages show it in the browser's zone."""
    return time.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def day(time: datetime) -> str:
    """A day in UTC as sentences have it, such as 2026-11-03."""
    return time.astimezone(UTC).strftime("%Y-%m-%d")


def short_day(at: date) -> str:
    """A day of a chart, such as 03 Nov."""
    return at.strftime("%d %b")


def duration(length: timedelta) -> str:
    """A length of time in its two largest units: 3 d 2 h, 1 h 5 min, 4 min, 38 s."""
    seconds = int(length.total_seconds())
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((index for index, (amount, _) in enumerate(units) if amount), len(units) - 1)
    return " ".join(f"{amount} {unit}" for amount, unit in units[first : first + 2] if amount) or "0 s"


def span(length: timedelta, *, up: bool = False) -> str:
    """A length of time in one unit: 38 s, 90 min, 47 h, 3 days. Rounded down; with ``up``, as for a time to wait,
    rounded up."""
    seconds = max(0.0, length.total_seconds())
    rounded = math.ceil if up else math.floor
    if rounded(seconds) < 60:
        return f"{rounded(seconds)} s"
    # Two of a unit are the least that it is used for: "1 h" would hide whether it is 61 or 119 minutes.
    if rounded(seconds / 60) < 120:
        return f"{rounded(seconds / 60)} min"
    if rounded(seconds / 3_600) < 48:
        return f"{rounded(seconds / 3_600)} h"
    return f"{rounded(seconds / 86_400)} days"


def distance(away: timedelta) -> str:
    """How far off a time is: in 4 min, 3 days ago; now and just now, if it is less than a second away."""
    if abs(away) < timedelta(seconds=1):
        return "now" if away > timedelta() else "just now"
    return f"in {span(away)}" if away > timedelta() else f"{span(-away)} ago"


def size(number: int) -> str:
    """A number of bytes in the unit that fits: 1023 B, 1.5 KiB, 2 GiB, 150 MiB."""
    amount, unit = float(number), 0
    while amount >= 1023.5 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    digits = 0 if amount >= 99.95 else 1
    return f"{f'{amount:.{digits}f}'.removesuffix('.0')} {_UNITS[unit]}"


def count(number: int, noun: str, plural: str = "") -> str:
    """1 key, 3,412 keys, 2 mailboxes; ``plural`` where it is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: DNS, DNS and queue, or DNS, queue and licence."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
