"""Joins events into journeys: by queue id, by Message-ID, and by what a report is about. In memory; nothing is stored.

A short queue id is used again by a later mail (postconf(5), enable_long_queue_ids), so an id that was removed may begin
another journey.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from mailboxes.maillog.daemons.event import CONNECTIONS, Event, Kind
from mailboxes.models import Journey, MailEvent
from mailrelay.bounces.outcomes import BOUNCED

State = Journey.State
#: Mails with the same Message-ID within this time are one mail: forwarded, or sent to each recipient alone.
SAME_MAIL: Final = timedelta(days=2)
#: Postfix gives up after five days.
LONGEST_IN_QUEUE: Final = timedelta(days=6)
#: A journey with this many events takes no further mail in: somebody gives all mail the same Message-ID.
MOST_EVENTS: Final = 300
_MOST_RECIPIENTS, _MOST_OUTCOMES = 20, 100
_LONGEST_KEY = 330
#: Of a recipient, when the mail ended there.
_OUTCOMES = frozenset(
    {Kind.DELIVERED, Kind.DEFERRED, Kind.BOUNCED, Kind.REFUSED, Kind.PUT_OFF, Kind.DISCARDED}
)
#: Refused at these stages, the mail is refused for all its recipients.
_WHOLE = frozenset({"DATA", "END-OF-MESSAGE", "BDAT", "EOM", "HEADER", "END-OF-DATA"})
#: A report about a mail, with the report's own queue id.
REPORTS: Final = frozenset({Kind.REPORTED, Kind.RETURNED})
#: Events that another mail with the same queue id begins with.
_BEGINNINGS = frozenset({Kind.ACCEPTED, Kind.IDENTIFIED, Kind.SCANNED})


@dataclass(slots=True, eq=False)
class Draft:
    """A journey that is being written.

    Attributes:
        keys: those that are not stored yet.
        events: those that are not stored yet.
        more: how often a connection that is already stored was seen again.
        changed: the row has to be stored.
        merged: the journey that this one has become a part of.
    """

    row: Journey
    keys: set[str] = field(default_factory=set)
    events: list[MailEvent] = field(default_factory=list)
    more: int = 0
    changed: bool = False
    merged: Draft | None = None

    @property
    def whole(self) -> Draft:
        """This journey, or the one that it became a part of."""
        found = self
        while found.merged is not None:
            found = found.merged
        return found

    @property
    def ended(self) -> bool:
        """Postfix has removed the mail from its queue."""
        return bool(self.row.facts.get("ended"))

    def is_report(self, event: Event) -> bool:
        """Whether the event is about a report, not about the mail itself."""
        return event.queue_id in self.row.facts.get("reports", ())

    def takes(self, event: Event, at: datetime) -> bool:
        """Whether an event with the same queue id or Message-ID belongs here."""
        if event.queue_id and event.queue_id in self.row.facts.get("ids", ()):
            if at - self.row.last_at > LONGEST_IN_QUEUE:
                return False
            return not (
                self.ended and event.kind in _BEGINNINGS and at - self.row.last_at > timedelta(seconds=5)
            )
        return abs(at - self.row.last_at) < SAME_MAIL and self.row.facts.get("n", 0) < MOST_EVENTS


def is_about(row: Journey, event: Event) -> bool:
    """Whether a report that came from outside may be about this mail: it came to the mail's envelope sender.

    Anybody can write a report, but only who got the mail knows its Message-ID. Rspamd leaves out +tags in both places.
    """
    people = {address.lower() for address in event.data["to"]}
    return row.sender.lower() in people and row.facts.get("n", 0) < MOST_EVENTS


# --- keys


def keys_of(event: Event) -> list[str]:
    """The keys that name the mail of an event."""
    found = []
    if event.queue_id:
        found.append(f"q:{event.queue_id}")
    if event.message_id:
        found.append(message_key(event.message_id))
    if event.kind in REPORTS and event.data["as"]:
        found.append(f"q:{event.data['as']}")
    if event.kind == Kind.REQUEUED and event.data.get("before"):
        found.append(f"q:{event.data['before']}")
    return [_short(key) for key in found]


def message_key(message_id: str) -> str:
    """The key of a Message-ID, with brackets or without."""
    return _short(f"m:<{message_id.strip().removeprefix('<').removesuffix('>')}>")


def address_keys(address: str) -> list[str]:
    """The keys of an address: as it is, and without its +tag."""
    plain = address.replace('"', "").lower()
    return [_short(one) for one in _shapes(plain)] if plain else []


def _shapes(plain: str) -> list[str]:
    """The address as it is, and without its +tag if it has one."""
    local, at, domain = plain.rpartition("@")
    base = local.partition("+")[0]
    return [plain, f"{base}@{domain}"] if at and base and base != local else [plain]


def _short(key: str) -> str:
    if len(key) <= _LONGEST_KEY:
        return key
    return f"{key[: _LONGEST_KEY - 65]}#{hashlib.sha256(key.encode()).hexdigest()}"


# --- events


def begin(at: datetime, event: Event) -> Draft:
    """A journey that begins with this event; a mail, unless the event is about a connection alone."""
    state = State.CONNECTION if event.kind in CONNECTIONS and not event.queue_id else State.ARRIVING
    return Draft(Journey(state=state, began_at=at, last_at=at, facts={}, recipients=[]))


def add(draft: Draft, event: Event, at: datetime) -> None:
    """Takes the event into the journey."""
    row = draft.row
    is_report = draft.is_report(event)
    if event.queue_id and event.queue_id not in (ids := row.facts.setdefault("ids", [])):
        ids.append(event.queue_id)
    draft.keys.update(_new_keys(row, event))
    row.last_at = max(row.last_at, at)
    draft.changed = True
    if not is_report:
        _describe(row, event)
        _judge(row, event)
    if _is_shown(row, event):
        draft.events.append(_stored(event, at))
        row.facts["n"] = row.facts.get("n", 0) + 1


def _new_keys(row: Journey, event: Event) -> list[str]:
    found = keys_of(event)
    for address in (event.sender or "", event.login, *event.recipients, str(event.data.get("for", ""))):
        found += address_keys(address)
    if event.kind in (Kind.FORWARDED, Kind.REPLIED):
        found += address_keys(event.remote)
    if event.client:
        found.append(_short(f"c:{event.client}"))
    return found


def _describe(row: Journey, event: Event) -> None:
    """Fills in what the journey does not know yet."""
    if event.message_id and not row.message_id:
        row.message_id = event.message_id[:300]
    if event.sender and not row.sender:
        row.sender = event.sender[:320]
    if event.kind in (Kind.ACCEPTED, Kind.REFUSED, Kind.PUT_OFF, Kind.SCANNED) or event.kind in CONNECTIONS:
        row.client, row.login = row.client or event.client[:60], row.login or event.login[:320]
    if event.score is not None and row.score is None:
        row.score = event.score
    if event.kind == Kind.FILED and event.remote.lower() == "junk":
        row.spam = True
    if event.service == "dovecot" or event.kind == Kind.RETURNED:
        return  # they name the mailbox, which is not always who the mail was sent to
    for address in event.recipients:
        _add_recipient(row, str(event.data.get("for") or address))


def _add_recipient(row: Journey, address: str) -> None:
    """Rspamd leaves out +tags, so the same recipient may be there without one."""
    known = {one.replace('"', "").lower(): number for number, one in enumerate(row.recipients)}
    plain = address.replace('"', "").lower()
    if plain in known or any(plain in _shapes(one) for one in known):
        return
    bare = next((one for one in _shapes(plain)[1:] if one in known), None)
    if bare is not None and bare not in {one.lower() for one in row.facts.get("outcomes", ())}:
        row.recipients = [
            address[:320] if number == known[bare] else one for number, one in enumerate(row.recipients)
        ]
        return
    row.recipient_count += 1
    if len(row.recipients) < _MOST_RECIPIENTS:
        row.recipients = [*row.recipients, address[:320]]


#: Kind → facts that it makes true.
_SETS: dict[str, tuple[str, ...]] = {
    Kind.REMOVED: ("ended",),
    Kind.HELD: ("held",),
    Kind.DELETED: ("deleted", "ended"),
    Kind.LOST: ("broken",),
    Kind.FILED: ("filed",),
}


def _judge(row: Journey, event: Event) -> None:
    """Where the mail is now."""
    facts = row.facts
    if event.kind in _SETS:
        facts |= dict.fromkeys(_SETS[event.kind], True)
    match event.kind:
        case Kind.QUEUED:
            row.size = row.size or event.data["size"]
        case Kind.ACCEPTED:
            facts.pop("ended", None)
        case Kind.RELEASED:
            facts.pop("held", None)
        case Kind.REPORTED:
            facts["reports"] = [*dict.fromkeys([*facts.get("reports", ()), event.data["as"]])]
        case Kind.RETURNED if event.data["what"] == BOUNCED:
            facts["back"] = [*dict.fromkeys([*facts.get("back", ()), *(event.recipients or ("",))])]
        case Kind.EXPIRED:
            outcomes = facts.get("outcomes", {})
            facts["outcomes"] = {
                who: Kind.BOUNCED if how == Kind.DEFERRED else how for who, how in outcomes.items()
            }
    if event.kind in _OUTCOMES:
        if event.data.get("stage") in _WHOLE or not event.recipients:
            facts["whole"] = event.kind
        outcomes = facts.setdefault("outcomes", {})
        for address in event.recipients:
            if len(outcomes) < _MOST_OUTCOMES or address in outcomes:
                outcomes[address] = _later(outcomes.get(address, ""), event.kind)
    if "back" in facts:
        _came_back(facts)
    row.state = state_of(row)


def _came_back(facts: dict[str, Any]) -> None:
    """What the next server had taken came back after all. A server that forwarded it may name another recipient.

    The report may be here before Postfix has logged that the server took the mail.
    """
    outcomes = facts.get("outcomes", {})
    back = set(facts["back"])
    found = [address for address in outcomes if address.lower() in back]
    for address in found or (list(outcomes) if len(outcomes) == 1 else []):
        outcomes[address] = Kind.BOUNCED


def _later(before: str, now: str) -> str:
    """The state of a recipient: what was delivered stays delivered, though the sender tried in vain before or again."""
    return before if before == Kind.DELIVERED and now in (Kind.REFUSED, Kind.PUT_OFF, Kind.DEFERRED) else now


_WHOLE_STATES: dict[str, str] = {
    Kind.REFUSED: State.REFUSED,
    Kind.PUT_OFF: State.PUT_OFF,
    Kind.DISCARDED: State.DISCARDED,
}


def state_of(row: Journey) -> str:
    """The journey's state, from its facts: what needs somebody's attention counts before what went well."""
    facts = row.facts
    outcomes = set(facts.get("outcomes", {}).values())
    if row.state == State.CONNECTION:
        return State.CONNECTION
    if facts.get("deleted"):
        return State.DELETED
    if facts.get("held"):
        return State.HELD
    if facts.get("whole") and Kind.DELIVERED not in outcomes:
        return _WHOLE_STATES.get(facts["whole"], State.REFUSED)
    for kind, state in (
        (Kind.BOUNCED, State.BOUNCED),
        (Kind.DEFERRED, State.WAITING),
        (Kind.DELIVERED, State.DELIVERED),
        (Kind.DISCARDED, State.DISCARDED),
        (Kind.REFUSED, State.REFUSED),
        (Kind.PUT_OFF, State.PUT_OFF),
    ):
        if kind in outcomes:
            return state
    if facts.get("filed"):
        return State.DELIVERED  # Postfix's lines are missing
    return State.BROKEN if facts.get("broken") else State.ARRIVING


def _is_shown(row: Journey, event: Event) -> bool:
    if event.kind != Kind.QUEUED:
        # Postfix says twice that a mail was put into its queue again: postsuper, and pickup with the new queue id.
        return event.kind not in (Kind.IDENTIFIED, Kind.REMOVED) and "before" not in event.data
    # Postfix says it before each attempt.
    queued = row.facts.setdefault("queued", [])
    if event.queue_id in queued:
        return False
    queued.append(event.queue_id)
    return True


def _stored(event: Event, at: datetime) -> MailEvent:
    data: dict[str, Any] = {name: value for name, value in event.data.items() if value not in ("", None)}
    for name, value in (("client", event.client), ("name", event.client_name), ("login", event.login)):
        if value:
            data[name] = value
    if event.score is not None:
        data["score"] = event.score
    if len(event.recipients) > 1:
        data["to"] = list(event.recipients[:_MOST_RECIPIENTS])
    return MailEvent(
        at=at,
        service=event.service,
        kind=event.kind,
        queue_id=event.queue_id[:32],
        recipient=event.recipients[0][:320] if event.recipients else "",
        remote=event.remote[:500],
        code=event.code[:12],
        text=event.text[:500],
        data=data or None,
    )


def merge(part: Draft, into: Draft, *, report: bool = False) -> None:
    """Makes one journey a part of another.

    Args:
        report: the part is a report about the mail, so its own delivery says nothing about the mail.
    """
    ours, theirs = into.row, part.row
    into.events += part.events
    into.keys |= part.keys
    into.changed = True
    part.merged, part.events, part.keys = into, [], set()
    ours.began_at, ours.last_at = min(ours.began_at, theirs.began_at), max(ours.last_at, theirs.last_at)
    facts = ours.facts
    for name in ("ids", "queued", "reports", "back"):
        if joined := [
            *facts.get(name, ()),
            *(one for one in theirs.facts.get(name, ()) if one not in facts.get(name, ())),
        ]:
            facts[name] = joined
    facts["n"] = facts.get("n", 0) + theirs.facts.get("n", 0)
    if report:
        facts["reports"] = [*dict.fromkeys([*facts.get("reports", ()), *theirs.facts.get("ids", ())])]
        return
    outcomes = facts.setdefault("outcomes", {})
    for address, kind in theirs.facts.get("outcomes", {}).items():
        outcomes[address] = _later(outcomes.get(address, ""), kind)
    for name in ("held", "deleted", "whole", "broken", "filed"):
        if name in theirs.facts:
            facts[name] = theirs.facts[name]
    if not theirs.facts.get("ended"):
        facts.pop("ended", None)
    for name in ("message_id", "sender", "client", "login"):
        setattr(ours, name, getattr(ours, name) or getattr(theirs, name))
    ours.size, ours.spam = ours.size or theirs.size, ours.spam or theirs.spam
    ours.score = theirs.score if ours.score is None else ours.score
    for address in theirs.recipients:
        _add_recipient(ours, address)
    if "back" in facts:
        _came_back(facts)
    ours.state = state_of(ours)
