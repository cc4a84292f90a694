"""A journey as steps in words, in the order of time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from mailboxes.maillog import symbols
from mailboxes.maillog.daemons.event import Kind
from mailboxes.models import Journey, MailEvent
from mailrelay.bounces.outcomes import DELAYED, DELIVERED
from mailrelay.onward import Step
from quazzar import words

#: Within one moment, events are told in this order.
_ORDER: Final = {
    kind: number
    for number, kind in enumerate(value for name, value in vars(Kind).items() if not name.startswith("_"))
}
_DECISIONS = frozenset({Kind.REFUSED, Kind.PUT_OFF, Kind.QUEUED})
_PORTS = {"25": "", "587": ", to be sent on", "465": ", to be sent on"}
_STAGES = {
    "CONNECT": "when it connected",
    "HELO": "at its greeting",
    "EHLO": "at its greeting",
    "MAIL": "because of its sender or size",
    "RCPT": "because of the recipient",
    "DATA": "before its content",
    "END-OF-MESSAGE": "after its content was scanned",
}
_REPORTS = {
    "non-delivery": "Non-delivery report queued for the sender",
    "delay": "Report of the delay queued for the sender",
    "delivery status": "Delivery report queued for the sender",
}
_ACTIONS = {
    "no action": "not spam",
    "add header": "spam, to be filed in Junk",
    "rewrite subject": "likely spam",
    "greylist": "suspicious",
    "soft reject": "not accepted for now",
    "reject": "spam, refused",
}
_MISUSES = {
    "improper command pipelining": "Commands out of turn",
    "non-SMTP command": "A command of another protocol",
}


def steps(journey: Journey, events: Iterable[MailEvent]) -> list[Step]:
    """Everything that the logs say, the oldest first."""
    ordered = _ordered(list(events))
    reports = set(journey.facts.get("reports", ()))
    turned_away = _ids(ordered, Kind.REFUSED, Kind.PUT_OFF, Kind.LOST) - _ids(ordered, Kind.QUEUED)
    return [
        _step(
            event,
            event.data or {},
            is_report=event.queue_id in reports,
            is_taken=event.queue_id not in turned_away,
        )
        for event in ordered
    ]


def _ordered(events: list[MailEvent]) -> list[MailEvent]:
    """The oldest first. Rspamd may log a scan after Postfix has logged what it decided by it."""
    decided = {event.queue_id: event.at for event in events if event.queue_id and event.kind in _DECISIONS}

    def place(event: MailEvent) -> tuple[datetime, int]:
        after = event.kind == Kind.SCANNED and decided.get(event.queue_id, event.at) < event.at
        return (decided[event.queue_id], -1) if after else (event.at, _ORDER.get(event.kind, 99))

    return sorted(events, key=place)


def _ids(events: Iterable[MailEvent], *kinds: str) -> set[str]:
    return {event.queue_id for event in events if event.queue_id and event.kind in kinds}


def _step(event: MailEvent, data: dict[str, Any], *, is_report: bool, is_taken: bool) -> Step:
    tone, icon, tell = _TELLERS[event.kind]
    title, said, details, hint = (*tell(event, data), "", "", "")[:4]
    tone = _RETURN_TONES.get(data.get("what", ""), tone) if event.kind == Kind.RETURNED else tone
    if not is_taken:  # Postfix gives a mail its queue id before it has seen all of it
        title = title.replace("Accepted from", "Offered by", 1)
    if is_report:
        title = f"Report: {title[:1].lower()}{title[1:]}"
        tone = "off" if tone == "ok" else tone
    more = [details]
    if event.count > 1:
        more.append(f"{event.count:,} times within the hour")
    if event.queue_id and event.kind in (Kind.ACCEPTED, Kind.REQUEUED):
        more.append(f"queue id {event.queue_id}")
    return Step(event.at, event.kind, tone, icon, title, said, ", ".join(filter(None, more)), hint)


def _from(event: MailEvent, data: dict[str, Any]) -> str:
    """The machine at the other end: name [address]."""
    name, client = data.get("name", ""), data.get("client", "")
    return f"{name} [{client}]" if name else client


Told = tuple[str, ...]


def _accepted(event: MailEvent, data: dict[str, Any]) -> Told:
    if data.get("login"):
        return (
            f"Accepted from {data['login']}, who had signed in",
            "",
            f"from {_from(event, data)}, port {data.get('port')}",
        )
    if "uid" in data:
        return "Accepted from a program inside the container", "", f"user id {data['uid']}"
    return f"Accepted from {_from(event, data) or 'a server'}", "", f"port {data.get('port', '25')}"


def _scanned(event: MailEvent, data: dict[str, Any]) -> Told:
    action = _ACTIONS.get(data.get("action", ""), data.get("action", ""))
    score, limit = data.get("score", 0.0), data.get("limit", 0.0)
    title = f"Scanned: {action}"
    points = f"{symbols.number(score)} of {symbols.number(limit)} points."
    return title, event.text, f"{points} {symbols.sentence(data.get('symbols', ()))}".strip()


def _signed(event: MailEvent, data: dict[str, Any]) -> Told:
    keys = [key.partition(":") for key in data.get("keys", ())]
    domain = keys[0][0] if keys else ""
    return (
        f"Signed with DKIM for {domain}",
        "",
        words.listed([f"selector {selector}" for _, _, selector in keys]),
    )


def _refused(event: MailEvent, data: dict[str, Any]) -> Told:
    who = f" to {event.recipient}" if event.recipient else ""
    stage = _STAGES.get(data.get("stage", ""), "")
    place = f" {stage}" if stage else ""
    return f"Refused{who}{place}", event.text, _peer(event, data), _advice(event, _AT_OUR_DOOR)


def _put_off(event: MailEvent, data: dict[str, Any]) -> Told:
    who = f" {event.recipient}" if event.recipient else ""
    return f"Not accepted for{who or ' anybody'} yet: asked to try again", event.text, _peer(event, data)


def _peer(event: MailEvent, data: dict[str, Any]) -> str:
    found = [
        f"from {_from(event, data)}" if data.get("client") else "",
        f"port {data['port']}" if "port" in data else "",
    ]
    return ", ".join(filter(None, found))


def _queued(event: MailEvent, data: dict[str, Any]) -> Told:
    return (
        "Queued",
        "",
        f"{words.size(data.get('size', 0))}, {words.count(data.get('recipients', 1), 'recipient')}",
    )


def _recipient(event: MailEvent, data: dict[str, Any]) -> str:
    return f"{data['for']} ({event.recipient})" if data.get("for") else event.recipient


def _delivered(event: MailEvent, data: dict[str, Any]) -> Told:
    details = ", ".join(filter(None, [event.remote, _took(data)]))
    if data.get("agent") == "lmtp":
        return f"Delivered to the mailbox of {_recipient(event, data)}", "", _took(data)
    return f"Accepted by the next server for {_recipient(event, data)}", event.text, details


def _took(data: dict[str, Any]) -> str:
    delay = data.get("delay") or 0
    return f"after {words.span(timedelta(seconds=delay))}" if delay >= 2 else ""


def _deferred(event: MailEvent, data: dict[str, Any]) -> Told:
    details = ", ".join(filter(None, [event.remote, _took(data)]))
    advice = _advice(event, _place(data))
    return f"Waits for {_recipient(event, data)}: Postfix tries again", event.text, details, advice


def _bounced(event: MailEvent, data: dict[str, Any]) -> Told:
    advice = _advice(event, _place(data))
    return f"Not deliverable to {_recipient(event, data)}", event.text, event.remote, advice


_RETURNS = {
    DELAYED: "Another server still tries to deliver it to {}",
    DELIVERED: "Another server delivered it to {}",
}
_RETURN_TONES = {DELAYED: "wait", DELIVERED: "ok"}


def _returned(event: MailEvent, data: dict[str, Any]) -> Told:
    title = _RETURNS.get(data.get("what", ""), "Another server could not deliver it to {}")
    return (
        title.format(event.recipient or "its recipient"),
        event.text or (f"Status {event.code}" if event.code else ""),
        f"reported by {event.remote}",
        _advice(event, _ELSEWHERE),
    )


def _filed(event: MailEvent, data: dict[str, Any]) -> Told:
    folder = "the inbox" if event.remote.upper() == "INBOX" else f"the folder {event.remote}"
    return f"Filed in {folder} of {event.recipient}", "", ""


def _simple(text: str) -> Callable[[MailEvent, dict[str, Any]], Told]:
    """A sentence with the row's own columns in it."""
    return lambda event, data: (text.format(event=event, data=data), event.text, "")


def _lost(event: MailEvent, data: dict[str, Any]) -> Told:
    if event.queue_id:
        return "The connection broke before the mail was complete", "", _peer(event, data)
    return f"Hung up after {data.get('stage') or 'connecting'}", "", _peer(event, data)


def _misused(event: MailEvent, data: dict[str, Any]) -> Told:
    what = next(
        (text for word, text in _MISUSES.items() if event.text.startswith(word)),
        "A client that breaks the rules",
    )
    return f"Turned away: {what[:1].lower()}{what[1:]}", "", _peer(event, data)


def _sign_in(event: MailEvent, data: dict[str, Any]) -> Told:
    return f"{data.get('login')} signed in to {data.get('protocol', 'SMTP')}", "", _peer(event, data)


def _sign_in_failed(event: MailEvent, data: dict[str, Any]) -> Told:
    who = data.get("login") or "Somebody"
    return f"{who} failed to sign in to {data.get('protocol', 'SMTP')}", "", _peer(event, data)


_OWN_ROOM = "Give the mailbox more room, or have its owner delete mail."
_NO_ANSWER = (
    "The other server does not answer. If no mail leaves at all, see whether your provider blocks port 25."
)
_NO_DOMAIN = "Check the recipient's address: its domain does not exist."
_LATER = "Nothing: the server wants the mail to be tried again after some minutes."
#: Words of a reply → what to do: where our server refuses a mail, where it has no room for it, and where another
#: server has the same to say about an address of its own.
_AT_OUR_DOOR: Final = (
    ("User unknown", "No mailbox, alias or catch-all of yours has this address. Add one if it should exist."),
    ("Mailbox is full", _OWN_ROOM),
    (
        "Relay access denied",
        "The sender did not sign in, and the recipient is not here. This is how it should be.",
    ),
    ("not owned by user", "Who signed in may send only from their own address and its aliases."),
)
_AT_OUR_MAILBOX: Final = (
    ("User unknown", _AT_OUR_DOOR[0][1]),
    ("Mailbox is full", _OWN_ROOM),
    ("Quota exceeded", f"{_OWN_ROOM} Postfix then delivers the mail."),
)
_ELSEWHERE: Final = (
    ("User unknown", "Check the recipient's address: the other server has no such mailbox."),
    ("Mailbox is full", "The recipient has to make room: their mailbox is full."),
    ("Quota exceeded", "The recipient has to make room: their mailbox is full."),
    ("Relay access denied", "The next server does not send mail on for this one. Check the relay's sign-in."),
    ("Greylist", _LATER),
    ("greylist", _LATER),
    ("Connection refused", _NO_ANSWER),
    ("Connection timed out", _NO_ANSWER),
    ("Host or domain name not found", _NO_DOMAIN),
    ("Host not found", _NO_DOMAIN),
)


def _place(data: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """The advice for an agent of Postfix: lmtp hands mail to our own mailboxes."""
    return _AT_OUR_MAILBOX if data.get("agent") == "lmtp" else _ELSEWHERE


def _advice(event: MailEvent, known: tuple[tuple[str, str], ...]) -> str:
    return next((hint for words_, hint in known if words_ in event.text), "")


#: Kind → tone, icon, and how it is told: title, the server's words, details, what to do.
_TELLERS: Final[dict[str, tuple[str, str, Callable[[MailEvent, dict[str, Any]], Told]]]] = {
    Kind.ACCEPTED: ("off", "inbox", _accepted),
    Kind.SCANNED: ("off", "policy", _scanned),
    Kind.SIGNED: ("ok", "signature", _signed),
    Kind.REFUSED: ("bad", "block", _refused),
    Kind.PUT_OFF: ("wait", "schedule", _put_off),
    Kind.QUEUED: ("off", "hourglass_empty", _queued),
    Kind.DELIVERED: ("ok", "check_circle", _delivered),
    Kind.DEFERRED: ("wait", "schedule", _deferred),
    Kind.BOUNCED: ("bad", "cancel", _bounced),
    Kind.EXPIRED: ("bad", "timer_off", _simple("Postfix gave up and returned the mail to its sender")),
    Kind.FILED: ("ok", "inbox", _filed),
    Kind.NOT_FILED: ("bad", "error", _simple("Could not be filed for {event.recipient}")),
    Kind.FORWARDED: ("off", "forward", _simple("Forwarded to {event.remote} by a rule of {event.recipient}")),
    Kind.SIEVE_FAILED: ("bad", "error", _simple("A rule of {event.recipient} failed")),
    Kind.DUPLICATE: ("off", "block", _simple("Not forwarded to {event.remote} a second time")),
    Kind.DISCARDED: ("bad", "delete", _simple("Discarded by a rule of {event.recipient}")),
    Kind.SIEVE_REFUSED: (
        "bad",
        "block",
        _simple("Sent back to {event.remote} by a rule of {event.recipient}"),
    ),
    Kind.REPLIED: ("off", "reply", _simple("{event.recipient} is away: answered {event.remote}")),
    Kind.REPORTED: (
        "off",
        "mail",
        lambda event, data: (_REPORTS.get(data.get("what", ""), "Report queued"),),
    ),
    Kind.RETURNED: ("bad", "undo", _returned),
    Kind.HELD: ("wait", "pause_circle", _simple("Put on hold")),
    Kind.RELEASED: ("off", "play_circle", _simple("Released from hold")),
    Kind.REQUEUED: ("off", "refresh", _simple("Put into the queue again")),
    Kind.DELETED: ("bad", "delete", _simple("Deleted from Postfix's queue")),
    Kind.LOST: ("off", "link_off", _lost),
    Kind.MISUSED: ("off", "block", _misused),
    Kind.NO_TLS: (
        "off",
        "gpp_maybe",
        lambda event, data: ("No TLS with this client", event.text, _peer(event, data)),
    ),
    Kind.SIGN_IN: ("ok", "login", _sign_in),
    Kind.SIGN_IN_FAILED: ("bad", "key_off", _sign_in_failed),
}
