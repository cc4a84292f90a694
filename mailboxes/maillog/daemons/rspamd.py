"""Rspamd: the one line that it logs for each mail it scanned (its option ``log_format``). Pure."""

from __future__ import annotations

import re
from typing import Any

from mailboxes.maillog.daemons.event import Event, Kind

_NUMBER = r"-?\d{1,9}(?:\.\d{1,9})?"
# The sender takes as much as it can: a quoted one may hold what looks like the rest of a line.
_TASK = re.compile(
    r"id: <(?P<id>.{0,998}?)>,(?: qid: <(?P<queue>\w{1,40})>,)?(?: ip: (?P<ip>[0-9A-Fa-f:.]{2,60}),)?"
    r"(?: user: (?P<user>\S{1,320}),)?(?: from: <(?P<sender>.{0,320})>,)?"
    rf" \([^\s:]{{1,60}}: \S+ \((?P<action>[a-z ]{{1,30}})\): \[(?P<score>{_NUMBER}|nan)/(?P<limit>{_NUMBER}|nan)\]"
    r" \[(?P<symbols>.*?)\]\), len: \d+,(?P<more>.*)",
    re.DOTALL,
)
_SYMBOL = re.compile(
    r"(?P<name>[A-Za-z0-9_]{1,100})\((?P<score>-?\d{1,9}(?:\.\d{1,9})?)\)(?:\{(?P<options>[^{}]*)\})?"
)
_RECIPIENTS = re.compile(r" rcpts: <([^<>]{0,4000})>")
_FORCED = re.compile(r' forced: [a-z ]{1,30} "(?P<why>.{0,300}?)"; score=')
#: What our own rule adds when it has signed (rspamd.local.lua): domain and selector.
SIGNED = "QZ_SIGNED"
#: Symbols that are kept: those that changed the score most.
_MOST_SYMBOLS = 15


def parse(line: str) -> tuple[Event, ...]:
    """That the mail was scanned, and that it was signed; nothing for any other line."""
    if "rspamd_task_write_log: id: <" not in line or not (found := _TASK.search(line)):
        return ()
    symbols = {
        one["name"]: (_number(one["score"]), one["options"] or "")
        for one in _SYMBOL.finditer(found["symbols"])
    }
    recipients = _RECIPIENTS.search(found["more"])
    forced = _FORCED.search(found["more"])
    weighty = sorted(
        ((name, score) for name, (score, _) in symbols.items() if abs(score) >= 0.05),
        key=lambda one: -abs(one[1]),
    )
    shared: dict[str, Any] = {
        "queue_id": found["queue"] or "",
        "message_id": f"<{found['id']}>" if found["id"] not in ("", "undef") else "",
        "client": found["ip"] or "",
        "login": found["user"] or "",
    }
    data = {"action": found["action"], "limit": _number(found["limit"]), "symbols": weighty[:_MOST_SYMBOLS]}
    scanned = Event(
        "rspamd", Kind.SCANNED, **shared, sender=found["sender"] or "",
        recipients=tuple(recipients[1].split(",")) if recipients and recipients[1] else (),
        score=_number(found["score"]), text=forced["why"] if forced else "", data=data,
    )  # fmt: skip
    if SIGNED not in symbols:
        return (scanned,)
    keys = [one for one in symbols[SIGNED][1].split(";") if one]
    return (scanned, Event("rspamd", Kind.SIGNED, **shared, data={"keys": keys}))


def _number(text: str) -> float:
    return 0.0 if text == "nan" else float(text)
