"""Finds lines in the containers' logs by a text, with all that Postfix logged about the mail found, or only problems.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

#: A queue id of Postfix, short or long (postconf(5), enable_long_queue_ids), as its programs log it.
_QUEUE_ID = re.compile(
    r"postfix/[\w/-]{1,60}\[\d{1,9}\]: ([0-9A-F]{6,20}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,25}): "
)
_PROBLEM = re.compile(
    r"\b(?:warning|error|fatal|panic|crit(?:ical)?|reject|rejected|deferred|bounced|failed|refused|timed out)\b",
    re.IGNORECASE,
)


def matching(lines: Sequence[str], text: str = "", *, problems: bool = False) -> list[str]:
    """The lines that contain the text, in their order.

    Postfix names sender and recipient of a mail in different lines, so all lines with the queue id of a line that was
    found belong to the result.

    Args:
        text: upper and lower case are the same; empty: every line.
        problems: of these, only warnings, errors, and mail that was not accepted or delivered.
    """
    found = list(lines)
    if wanted := text.casefold().strip():
        ids = {match[1] for line in lines if wanted in line.casefold() and (match := _QUEUE_ID.search(line))}
        found = [line for line in lines if wanted in line.casefold() or _id(line) in ids]
    return [line for line in found if _PROBLEM.search(line)] if problems else found


def _id(line: str) -> str | None:
    match = _QUEUE_ID.search(line)
    return match[1] if match else None
