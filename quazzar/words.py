"""Words, numbers and times as alert and backup mails show them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

# RFC 3339 §5.6; datetime.fromisoformat alone also takes dates, weeks and times without a zone.
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
# C0 and C1 controls, line and paragraph separators, bidirectional overrides, and half characters.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNPRINTABLE_BUT_LINES = re.compile(r"(?![\n\t])" + _UNPRINTABLE.pattern)


def printable(text: str) -> bool:
    """Whether the text is one line without control characters."""
    return not _UNPRINTABLE.search(text)


def one_line(text: str, most: int = 500) -> str:
    """The text in one line without control characters, cut at ``most``."""
    return cut(" ".join(_UNPRINTABLE.sub(" ", text).split()), most)


def lines(text: str, most: int = 10_000) -> str:
    """The text with its lines, without other control characters, cut at ``most``."""
    unix = text.replace("\r\n", "\n").replace("\r", "\n")
    return cut(_UNPRINTABLE_BUT_LINES.sub("", unix).strip(), most)


def cut(text: str, most: int) -> str:
    """At most ``most`` characters; an ellipsis shows that some are missing."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def parse_time(text: str) -> datetime:
    """An RFC 3339 time, in UTC.

    Raises:
        ValueError: it is none.
    """
    if not _TIME.fullmatch(text):
        raise ValueError(text)
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError as exc:
        raise ValueError(text) from exc


def moment(time: datetime) -> str:
    """2026-11-03 12:04:30 UTC."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(length: timedelta) -> str:
    """The two largest units: 3 d 2 h, 1 h 5 min, 4 min, 38 s."""
    seconds = int(length.total_seconds())
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    units = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((index for index, (count, _) in enumerate(units) if count), len(units) - 1)
    return " ".join(f"{count} {unit}" for count, unit in units[first : first + 2] if count) or "0 s"


def size(count: int) -> str:
    """12.3 GiB; whole bytes below 1 KiB."""
    amount, unit = float(count), 0
    while amount >= 1023.95 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{count} B" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"
