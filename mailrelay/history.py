"""The results of a message's delivery attempts: the entries of ``Message.history``. Pure.

They are a bounded list in the message's own row, written by the UPDATE that records the result anyway. A table of
attempts would cost each mail another INSERT and two index entries, and the purge another DELETE; nothing ever asks for
attempts of more than one message.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from quazzar import words

#: How many of the first and of the last entries are kept: with waits of up to two hours there can be hundreds.
FIRST, LAST = 5, 15
#: The most characters of a server's answer that are kept.
LONGEST = 500

Entry = dict[str, Any]


def attempt(
    number: int,
    at: datetime,
    *,
    stage: str,
    code: int | None,
    message: str,
    kind: str = "",
    host: str = "",
    seconds: float | None = None,
) -> Entry:
    """An attempt as it is stored.

    Args:
        number: 1 for the message's first attempt.
        at: when it ended.
        stage: where it failed (see ``smtp.dialogue.STAGES``), or done.
        kind: the failure in one word (see ``diagnosis.explain``); empty for a delivery.
        message: the server's words, or the sentence of a failure without any.
        host: ``host:port`` of the server; empty when none was asked.
        seconds: how long it took; None when it is not known.
    """
    return {
        "number": number,
        "at": at.isoformat(),
        "stage": stage,
        "kind": kind,
        "code": code,
        "message": words.one_line(message, LONGEST),
        "host": host,
        "duration_ms": None if seconds is None else round(seconds * 1000),
    }


def event(what: str, at: datetime, by: str) -> Entry:
    """Something that somebody did to the message between attempts: ``retried`` or ``cancelled``."""
    return {"event": what, "at": at.isoformat(), "by": by}


def added(entries: Sequence[Entry], new: Entry) -> list[Entry]:
    """The entries with a new one at the end; if there are too many, the middle ones are dropped."""
    kept = [*entries, new]
    return kept if len(kept) <= FIRST + LAST else [*kept[:FIRST], *kept[-LAST:]]


def attempts(entries: Sequence[Entry]) -> list[Entry]:
    """Only the attempts, oldest first."""
    return [entry for entry in entries if "event" not in entry]


def final_words(entries: Sequence[Entry]) -> tuple[int | None, str]:
    """Code and words with which the server took the message; (None, "") if it did not, or when nothing was kept."""
    tried = attempts(entries)
    if tried and tried[-1]["stage"] == "done":
        return tried[-1]["code"], tried[-1]["message"]
    return None, ""
