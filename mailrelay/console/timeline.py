"""The life of one message as a list of events in words: handed in, tried, refused, retried, delivered. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils.text import capfirst

from mailrelay.diagnosis import replyhints
from mailrelay.diagnosis.explain import RelayLike, explain
from mailrelay.history import FIRST, LAST, Entry
from mailrelay.models import Feedback, Message
from mailrelay.onward import Step
from mailrelay.queue.byhand import CANCELLED
from mailrelay.queue.standing import STAGES
from quazzar.console import shown
from quazzar.errors import DeliveryError

Status = Message.Status
#: The kind of a failure: every recipient is on the suppression list.
SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the message, or that will.

    Attributes:
        at: when; None: at no time that is known.
        tone: the colour: ok, busy, wait, bad or off.
        title: what happened, in a few words.
        said: the server's words.
        details: where it was and how long it took.
        hint: what to do about it.
        other: the id of another message that belongs to it.
    """

    at: datetime | None
    tone: str
    icon: str
    title: str
    said: str = ""
    details: str = ""
    hint: str = ""
    other: int | None = None


def of(
    message: Message, relay: RelayLike, feedback: Sequence[Feedback] = (), further: Iterable[Step] = ()
) -> list[Event]:
    """Everything that is known about the message, newest first.

    Args:
        feedback: what other servers reported about it.
        further: what happened to it after the relay took it.
    """
    several = len(message.recipients) > 1
    after = [
        Event(step.at, step.tone, step.icon, step.title, step.said, step.details, step.hint)
        for step in further
    ]
    # What the log says is among the steps already.
    rows = [row for row in feedback if row.source != Feedback.LOG or not after]
    came_back = [_came_back(row, relay, several=several) for row in rows]
    suppressed = any(entry.get("kind") == SUPPRESSED for entry in message.history)
    events = [
        _accepted(message),
        *([] if suppressed else _left_out(message)),
        *_happened(message, relay),
        *after,
        *came_back,
        *_ahead(message),
    ]
    return [*each_remedy_once(reversed(events))]


def each_remedy_once(events: Iterable[Event]) -> Iterator[Event]:
    """The events, each remedy only at the first that needs it."""
    said = set()
    for event in events:
        yield replace(event, hint="") if event.hint in said else event
        said.add(event.hint)


# --- where it came from


_BY_SOURCE = {
    "api": "Accepted by the API",
    "alert": "Alert accepted",
    "backup": "Backup report accepted",
    "django": "Accepted from Django",
    "sendmail": "Accepted from sendmail",
    "test": "Test mail started",
}


def _accepted(message: Message) -> Event:
    copied = next((entry for entry in message.history if entry.get("event") == "copied"), None)
    if copied:
        title = f"Sent again by {person(copied['by'])}"
        return Event(message.created_at, "off", "forward", title, other=copied.get("message"))
    title = _BY_SOURCE.get(message.source, "Accepted")
    origin = person(message.submitted_by)
    return Event(message.created_at, "off", "inbox", f"{title}, from {origin}" if origin else title)


def person(actor: str) -> str:
    """An actor of the audit log in words: ``the API key "prometheus" of ada``; empty for any other."""
    kind, _, name = actor.partition(":")
    match kind:
        case "key":
            key, _, owner = name.rpartition(" (")
            return f"the API key “{key}” of {owner.removesuffix(')')}" if key else f"the API key “{name}”"
        case "user":
            return name
        case "sendmail":
            return f"the local user {name}"
        case "command":
            return f"the command {name}"
    return ""


# --- what happened


_BY_HAND = {
    "retried": ("Retried by {}", "wait", "refresh"),
    "cancelled": ("Cancelled by {}", "off", "block"),
    "sent_again": ("Sent again to others by {}", "off", "forward"),
}


def _happened(message: Message, relay: RelayLike) -> Iterator[Event]:
    before = 0
    kept = [entry for entry in message.history if entry.get("event") != "copied"]
    for index, entry in enumerate(kept):
        if "event" in entry:
            title, tone, icon = _BY_HAND.get(entry["event"], (entry["event"], "off", "info"))
            text = title.format(person(entry["by"]) or "Quazzar")
            yield Event(_time(entry), tone, icon, text, other=entry.get("message"))
            continue
        shortened = index == FIRST and len(kept) == FIRST + LAST
        yield from _gap(before, entry["number"], shortened=shortened)
        before = entry["number"]
        yield _attempt(entry, relay)
    now_sending = message.status == Status.SENDING
    if not before and (message.last_error or message.sent_at):  # a row of a version that kept no history
        yield from _remembered(message, relay)
    else:
        yield from _gap(before, message.attempts + (0 if now_sending else 1), shortened=False)


def _gap(before: int, number: int, *, shortened: bool) -> Iterator[Event]:
    """Attempts between two that have an entry."""
    first, last = before + 1, number - 1
    if first > last:
        return
    which = f"Attempt {first}" if first == last else f"Attempts {first} to {last}"
    if shortened:
        yield Event(None, "off", "more_horiz", f"{which}: no longer stored")
    else:
        detail = "The worker was stopped before it could store the result."
        yield Event(None, "wait", "help", f"{which}: result unknown", details=detail)


def _attempt(entry: Entry, relay: RelayLike) -> Event:
    details = _details(entry)
    if entry["stage"] == "done":
        said = f"{entry['code'] or ''} {entry['message']}".strip()
        return Event(
            _time(entry), "ok", "check_circle", f"Delivered to the relay{_nth(entry)}", said, details
        )
    error = DeliveryError(
        entry["message"], stage=entry["stage"], kind=entry["kind"] or "rejected", smtp_code=entry["code"]
    )
    diagnosis = explain(error, relay)
    place = STAGES.get(entry["stage"], entry["stage"])
    title = f"Attempt {entry['number']} failed at {place}"
    if entry["kind"] == SUPPRESSED:
        why = shown.timed(capfirst(diagnosis.message.removeprefix("Not sent: ")))
        return Event(_time(entry), "off", "block", "Not sent", "", why, diagnosis.hint)
    return Event(_time(entry), "bad", "error", title, diagnosis.message, details, diagnosis.hint)


def _nth(entry: Entry) -> str:
    return f" at attempt {entry['number']}" if entry["number"] > 1 else ""


def _details(entry: Entry) -> str:
    parts = [entry["host"]]
    if entry["duration_ms"] is not None:
        parts.append(f"{entry['duration_ms']:,} ms" if entry["duration_ms"] < 10_000 else _seconds(entry))
    return ", ".join(filter(None, parts))


def _seconds(entry: Entry) -> str:
    return f"{round(entry['duration_ms'] / 1000)} s"


def _remembered(message: Message, relay: RelayLike) -> Iterator[Event]:
    if message.status == Status.SENT:
        yield Event(message.sent_at, "ok", "check_circle", "Delivered to the relay")
    elif message.last_error and message.last_error.get("stage") != CANCELLED:
        stored: dict[str, Any] = message.last_error
        old = {"kind": "", "host": "", "duration_ms": None, "number": message.attempts}
        yield _attempt({**old, **stored}, relay)


def _time(entry: Entry) -> datetime | None:
    return datetime.fromisoformat(entry["at"]) if entry.get("at") else None


# --- what came back

_CAME_BACK = {
    Feedback.Kind.DELIVERED: ("Delivered", "ok", "mark_email_read"),
    Feedback.Kind.DELAYED: ("Delayed", "wait", "schedule"),
    Feedback.Kind.BOUNCED: ("Bounced", "bad", "undo"),
    Feedback.Kind.COMPLAINED: ("Complaint", "bad", "report"),
}
SOURCES = {
    "dsn": "delivery report",
    "text": "mail",
    "complaint": "abuse report",
    Feedback.LOG: "line in the log",
}


def _came_back(row: Feedback, relay: RelayLike, *, several: bool) -> Event:
    title, tone, icon = _CAME_BACK[Feedback.Kind(row.kind)]
    if row.kind == Feedback.Kind.BOUNCED:
        title = "Bounced permanently" if row.hard else "Bounced"
    if several:
        title = f"{title}: {row.recipient}"
    told = f"{SOURCES.get(row.source, 'event')} from {row.reporter or row.source}"
    doubt = "" if row.proven else "matched by its Message-ID"
    details = ", ".join(filter(None, (row.host and f"by {row.host}", told, doubt)))
    return Event(row.at, tone, icon, title, row.said or row.status, details, _remedy(row, relay))


def _remedy(row: Feedback, relay: RelayLike) -> str:
    """What to do about what came back."""
    if row.kind == Feedback.Kind.COMPLAINED:
        return (
            "Send this address no more mail unless its owner asks for it. Complaints make other servers treat all of "
            "your mail as spam."
        )
    if row.kind != Feedback.Kind.BOUNCED:
        return ""
    if row.hard:
        return "This address cannot receive mail. Correct it where the mail comes from; see the suppression list."
    said = f"{row.status} {row.said}"
    hint = explain(DeliveryError(said, stage="recipient", kind="rejected", smtp_code=row.code), relay).hint
    return hint.replace(replyhints.RETRIED, "Send it again later. ")  # the server that tried has given up


def _left_out(message: Message) -> Iterator[Event]:
    for one in message.recipients:
        if one.get("status") == SUPPRESSED:
            why = shown.timed(str(one.get("message", "")).removeprefix("Not sent: "))
            yield Event(None, "off", "block", f"Not sent to {one['address']}", details=capfirst(why))


# --- what is to come


def _ahead(message: Message) -> Iterator[Event]:
    match message.status:
        case Status.SENDING:
            yield Event(None, "busy", "send", f"Attempt {message.attempts} is running")
        case Status.QUEUED | Status.RETRYING if message.next_attempt_at:
            first = message.status == Status.QUEUED and not message.attempts
            title = "Waiting to be sent" if first else "Next attempt"
            yield Event(message.next_attempt_at, "wait", "schedule", title)
        case Status.FAILED if not _cancelled(message):
            yield Event(None, "bad", "cancel", "Quazzar has stopped trying")


def _cancelled(message: Message) -> bool:
    return bool(message.last_error and message.last_error.get("stage") == CANCELLED)
