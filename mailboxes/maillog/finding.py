"""Finds mail: in the relay's messages and in the mail server's journeys, newest first, a page at a time.

Journeys are found by one index (``JourneyKey``), messages as the Messages page finds them. A message that went through
this mail server is one mail, shown once.
"""

from __future__ import annotations

import ipaddress
import re
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.db.models import OuterRef, Subquery

from mailboxes.maillog.daemons.event import Kind
from mailboxes.maillog.daemons.postfix import QUEUE_ID
from mailboxes.maillog.joining import address_keys, message_key
from mailboxes.models import Journey, JourneyKey, MailEvent
from mailboxes.provisioning import addresses
from mailrelay.models import Message
from mailrelay.queue import finding
from mailrelay.queue.finding import WAITING

PAGE: Final = 50
LONGEST: Final = finding.LONGEST
#: How many journeys with a key are looked through for those in the wanted states.
_CANDIDATES = 3000
_WORRIES = (
    Kind.DEFERRED,
    Kind.BOUNCED,
    Kind.REFUSED,
    Kind.PUT_OFF,
    Kind.NOT_FILED,
    Kind.SIEVE_FAILED,
    Kind.EXPIRED,
    Kind.RETURNED,
)
_ID = re.compile(QUEUE_ID)
State, Status = Journey.State, Message.Status
_MAIL = tuple(state.value for state in State if state != State.CONNECTION)


@dataclass(frozen=True, slots=True)
class Tab:
    """What a search is limited to.

    Attributes:
        states: of journeys.
        statuses: of messages; None: no messages.
    """

    label: str
    states: tuple[str, ...]
    statuses: tuple[str, ...] | None = ()
    empty: str = ""


TABS: Final = {
    "all": Tab("All mail", _MAIL, empty="No mail yet."),
    "waiting": Tab("Waiting", (State.WAITING, State.HELD, State.ARRIVING), WAITING, "No mail is waiting."),
    "failed": Tab(
        "Not delivered",
        (State.BOUNCED, State.REFUSED, State.PUT_OFF, State.DISCARDED, State.DELETED),
        (Status.FAILED,),
        "Nothing was refused, bounced or discarded.",
    ),
    "delivered": Tab("Delivered", (State.DELIVERED,), (Status.SENT,), "Nothing has been delivered yet."),
    "connections": Tab(
        "Sign-ins and connections",
        (State.CONNECTION,),
        None,
        "Nobody has signed in, and no client was turned away.",
    ),
}


@dataclass(slots=True)
class Found:
    """A mail in a list: a journey, a message, or both.

    Attributes:
        reason: why it is not delivered, in the last server's words.
    """

    at: datetime
    journey: Journey | None = None
    message: Message | None = None
    reason: str = ""


@dataclass(slots=True)
class Page:
    """Mails, newest first.

    Attributes:
        older: where to go on, for ``before``; empty: these are the oldest.
        searched_to: how far back a search by words got, if not to the oldest message.
    """

    rows: list[Found] = field(default_factory=list)
    older: str = ""
    searched_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Below which ids a page begins: of journeys and of messages; None: at the newest."""

    journey: int | None = None
    message: int | None = None

    def __str__(self) -> str:
        return f"{self.journey or 0}-{self.message or 0}"

    @classmethod
    def read(cls, text: str) -> Cursor:
        """The cursor that was written as this text; the newest, if it was not."""
        match = re.fullmatch(r"(\d{1,18})(?:-(\d{1,18}))?", text, re.ASCII)
        return cls(int(match[1]) or None, int(match[2] or 0) or None) if match else cls()


def find(text: str = "", tab: str = "all", *, before: str = "", messages: bool = True) -> Page:
    """A page of mails that have to do with the text: an address, a Message-ID, a queue id, a client's address, or words
    of a subject; without a text, all.

    Args:
        messages: whether the relay's messages, and their subjects, belong to it.
    """
    text, chosen, cursor = text.strip()[:LONGEST], TABS[tab], Cursor.read(before)
    keys = keys_of(text)
    journeys, more = _journeys(keys, chosen.states, cursor.journey) if keys or not text else ([], None)
    from_relay = finding.Page()
    if messages and chosen.statuses is not None:
        from_relay = finding.find(finding.Query(chosen.statuses, text=text), before=cursor.message)
    page = _merged(journeys, more, from_relay, cursor, is_words=bool(text and not keys))
    if messages:
        _add_messages(page.rows)
    return page


def journey_of(message_id: str) -> Journey | None:
    """The newest journey of a mail with this Message-ID; None if the mail server never had it."""
    found = (
        JourneyKey.objects.filter(key=message_key(message_id))
        .order_by("-journey_id")
        .select_related("journey")
        .first()
    )
    return found.journey if found else None


def message_of(journey: Journey) -> Message | None:
    """The relay's message that this mail was; None if it is another's."""
    if not journey.message_id:
        return None
    return Message.objects.defer("body").filter(message_id=journey.message_id).order_by("-pk").first()


# --- what is looked for


def keys_of(text: str) -> list[str]:
    """The keys that the text may be; none for words. Pure."""
    if not text or (" " in text.strip() and "@" not in text):
        return []
    core = text.strip().removeprefix("<").removesuffix(">")
    if "@" in core:
        local, _, domain = core.rpartition("@")
        found = [*address_keys(core)[:1], message_key(core)]
        with suppress(ValueError):  # then it is a Message-ID
            found += address_keys(f"{local}@{addresses.domain(domain)}")[:1]
        return [*dict.fromkeys(found)]
    try:
        return [f"c:{ipaddress.ip_address(core.strip('[]'))}"]
    except ValueError:
        pass
    return [f"q:{core}"] if _ID.fullmatch(core) and any(map(str.isdigit, core)) else []


# --- journeys


def _journeys(
    keys: list[str], states: tuple[str, ...], before: int | None
) -> tuple[list[Journey], int | None]:
    """Journeys in these states, a page and one; and below which id to go on, if not all were looked at."""
    if not keys:
        found: list[int] = []
        # One query for each state: an index has them in order.
        for state in states:
            rows = Journey.objects.filter(state=state)
            rows = rows if before is None else rows.filter(pk__lt=before)
            found += rows.order_by("-pk").values_list("pk", flat=True)[: PAGE + 1]
        return _rows(sorted(found, reverse=True)[: PAGE + 1]), None
    candidates: set[int] = set()
    rest: list[int] = []
    for key in keys:
        named = JourneyKey.objects.filter(key=key)
        named = named if before is None else named.filter(journey_id__lt=before)
        ids = list(named.order_by("-journey_id").values_list("journey_id", flat=True)[:_CANDIDATES])
        candidates.update(ids)
        rest += ids[-1:] if len(ids) == _CANDIDATES else []
    ordered = sorted(candidates, reverse=True)
    found = []
    for start in range(0, len(ordered), 500):
        rows = Journey.objects.filter(pk__in=ordered[start : start + 500], state__in=states)
        found += rows.order_by("-pk").values_list("pk", flat=True)
        if len(found) > PAGE:
            return _rows(found[: PAGE + 1]), None
    return _rows(found), max(rest, default=None)


def _rows(ids: list[int]) -> list[Journey]:
    worry = MailEvent.objects.filter(journey=OuterRef("pk"), kind__in=_WORRIES).order_by("-id")
    rows = Journey.objects.annotate(reason=Subquery(worry.values("text")[:1])).in_bulk(ids)
    return [rows[pk] for pk in ids if pk in rows]


# --- both


def _merged(
    journeys: list[Journey], more: int | None, relay: finding.Page, cursor: Cursor, *, is_words: bool
) -> Page:
    """The two lists as one. Each keeps its own order, so that its last id says where the next page begins."""
    hidden = set() if is_words else _twice(relay.rows)
    messages = deque(relay.rows)
    waiting = deque(journeys)
    rows = list[Found]()
    journey_id, message_id = cursor.journey, cursor.message
    while len(rows) < PAGE and (waiting or messages):
        if messages and (not waiting or messages[0].created_at > waiting[0].began_at):
            message = messages.popleft()
            message_id = message.pk
            if message.pk not in hidden:
                rows.append(Found(message.created_at, message=message))
        else:
            journey = waiting.popleft()
            journey_id = journey.pk
            rows.append(Found(journey.began_at, journey, reason=getattr(journey, "reason", "") or ""))
    if not waiting and more is not None:
        journey_id = more
    if not messages and relay.older is not None:
        message_id = relay.older
    has_more = bool(waiting or messages) or more is not None or relay.older is not None
    return Page(rows, str(Cursor(journey_id, message_id)) if has_more else "", relay.searched_to)


def _twice(messages: Iterable[Message]) -> set[int]:
    """The ids of messages that have a journey, too."""
    keys = {message_key(row.message_id): row.pk for row in messages if row.message_id}
    known = JourneyKey.objects.filter(key__in=keys).values_list("key", flat=True)
    return {keys[key] for key in known}


def _add_messages(rows: list[Found]) -> None:
    """Gives each journey the relay's message that it was."""
    ids = {row.journey.message_id for row in rows if row.journey and row.journey.message_id}
    known = {
        row.message_id: row for row in Message.objects.defer("body", "history").filter(message_id__in=ids)
    }
    for row in rows:
        if row.journey:
            row.message = known.get(row.journey.message_id)
