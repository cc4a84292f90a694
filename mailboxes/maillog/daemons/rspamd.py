"""Rspamd: the one line that it logs for each mail it scanned (its option ``log_format``). Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

from mailboxes.maillog.daemons.event import Event, Kind, tidy
from mailrelay.bounces import dsn

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
#: The same of a report: the Message-ID of the mail that it is about, and its part for programs, both in base64.
REPORT = "QZ_REPORT"
#: Symbols that are kept: those that changed the score most.
_MOST_SYMBOLS = 15
#: Recipients of one report that are kept.
_MOST_RECIPIENTS = 5


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
        "rspamd",
        Kind.SCANNED,
        **shared,
        sender=found["sender"] or "",
        recipients=tuple(recipients[1].split(",")) if recipients and recipients[1] else (),
        score=_number(found["score"]),
        text=forced["why"] if forced else "",
        data=data,
    )
    if SIGNED in symbols:
        keys = [one for one in symbols[SIGNED][1].split(";") if one]
        return (scanned, Event("rspamd", Kind.SIGNED, **shared, data={"keys": keys}))
    if REPORT in symbols and not scanned.sender and not scanned.login:
        return (scanned, *_returned(scanned, symbols[REPORT][1]))
    return (scanned,)


def _returned(scanned: Event, options: str) -> Iterator[Event]:
    """What the report says became of the mail, for each recipient that it names."""
    try:
        original, status = (
            base64.b64decode(one, validate=True).decode("utf-8", "replace")
            for one in options.split(";")
            if one
        )
    except ValueError:
        return
    by = dsn.reporter([status])
    for outcome in dsn.read([status])[:_MOST_RECIPIENTS]:
        data = {"as": scanned.queue_id, "to": list(scanned.recipients), "what": outcome.kind}
        yield Event(
            "rspamd",
            Kind.RETURNED,
            message_id=f"<{original}>",
            remote=tidy(by),
            recipients=(outcome.recipient,) if outcome.recipient else (),
            code=outcome.status,
            text=tidy(outcome.said),
            data=data,
        )


def _number(text: str) -> float:
    return 0.0 if text == "nan" else float(text)
