"""What Home says about outgoing mail: its state, the tiles of relay and queue, events, first steps, and the charts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from django.utils import timezone

from mailrelay.models import AlertState, ExpectedReport, HourlyCount, Message, RelaySettings
from mailrelay.queue import counts, standing
from mailrelay.queue.standing import Standing, State
from mailrelay.relay import presets
from quazzar import rights, words
from quazzar.auditlog import naming
from quazzar.home import registry
from quazzar.home.registry import Event, Fact, Hours, Link, Mail, MailState, Part, Step, Tile, Traffic
from quazzar.monitoring.doctor import Area

Status = Message.Status
_LIST = "admin:mailrelay_message_changelist"
_RELAY = Link("Open the relay settings", "admin:mail_relay")
#: How many events of each kind are shown, and how many of the latest messages are searched for them.
_EVENTS, _LATEST = 4, 12
#: The server's code at sign-in → why, in words (RFC 4954 §4.7 and §6).
_REFUSALS = {
    534: "The server wants another way to sign in",
    535: "The password was refused",
    538: "The server wants an encrypted connection",
    454: "The server cannot check the password now",
}


def register() -> None:
    """Register all of it; called by the app's ready()."""
    registry.register("mailrelay", look)
    registry.register_events("mailrelay", events)
    naming.register("message.", names)
    registry.register_traffic(Traffic(hours, rights.SEE_QUEUE, Link("Open Messages", _LIST)))
    registry.register_step(
        Step(
            key="test mail",
            title="Deliver a test mail",
            text="Each stage turns green, or tells you what is wrong and how to fix it.",
            link=Link("Send a test mail", "admin:mail_relay", "#test-form"),
            right=rights.TEST_RELAY,
            is_done=lambda user: _has_delivered(),
        )
    )
    registry.register_step(
        Step(
            key="alert",
            title="Receive the first alert",
            text="Paste a command into a terminal and watch the alert arrive.",
            link=Link("Get the command", "admin:first_alert"),
            right=rights.SEND,
            is_done=lambda user: AlertState.objects.exists(),
        )
    )


def look(user: Any) -> Part:
    """The relay and the queue, as far as the operator may see them."""
    sees_relay, sees_queue = rights.SEE_RELAY(user), rights.SEE_QUEUE(user)
    if not (sees_relay or sees_queue):
        return Part(_reports(user))
    row = RelaySettings.load()
    found = standing.read() if row.configured else Standing(State.UNTESTED)
    numbers = counts.by_status()
    waiting = sum(numbers[status] for status in counts.WAITING)
    oldest = counts.oldest_waiting() if waiting else None
    mail = Mail(
        state_of(row, found),
        found.at,
        found.place,
        reason_of(found),
        waiting,
        oldest,
        ever=bool(numbers[Status.SENT]),
    )
    tiles = [_relay(row, found)] if sees_relay else []
    if sees_queue:
        tiles.append(_queue(numbers, waiting, oldest))
    return Part((*tiles, *_reports(user)), mail)


def state_of(row: RelaySettings, found: Standing) -> MailState:
    """The state of outgoing mail, from what was last seen."""
    if not row.configured:
        return MailState.OFF
    is_lost = row.password is not None and not row.password.readable
    return MailState.UNREADABLE if is_lost else MailState(found.state)


def reason_of(found: Standing) -> str:
    """Why mail fails, in words where the server's code says it, else in the server's own."""
    return (_REFUSALS.get(found.code or 0, "") if found.stage == "auth" else "") or words.one_line(
        found.error, 200
    )


def _relay(row: RelaySettings, found: Standing) -> Tile:
    if not row.configured:
        setup = Link("Set up a relay", "admin:mail_relay", right=rights.CHANGE_RELAY)
        return Tile(
            Area.RELAY, "Relay", "forward_to_inbox", setup, off="Alerts are written to the log, not mailed."
        )
    preset = presets.by_id(row.provider)
    name = preset.name if preset is not None and preset.host else row.host
    facts = [Fact("Through", name)]
    if found.state == State.WORKS:
        facts.append(Fact("Last delivery", at=found.at))
    facts.append(Fact("Alerts go to", words.count(len(row.alert_recipients), "address", "addresses")))
    return Tile(Area.RELAY, "Relay", "forward_to_inbox", _RELAY, tuple(facts))


def _queue(numbers: dict[str, int], waiting: int, oldest: datetime | None) -> Tile:
    facts = [Fact("Waiting for the relay", f"{waiting:,}")]
    if oldest:
        facts.append(Fact("Oldest", at=oldest))
    facts.append(Fact("Failed", f"{numbers[Status.FAILED]:,}"))
    return Tile(Area.QUEUE, "Queue", "stacked_email", Link("Open Messages", _LIST), tuple(facts))


def _reports(user: Any) -> tuple[Tile, ...]:
    if not rights.SEE_EXPECTED(user):
        return ()
    watched = ExpectedReport.objects.filter(state__in=ExpectedReport.WATCHED).count()
    proposed = ExpectedReport.objects.count() - watched
    link = Link("Open expected reports", "admin:expected_reports")
    facts = (Fact("Watched", f"{watched:,}"), Fact("Not watched", f"{proposed:,}"))
    off = "" if watched else "No backup job, cron mail or heartbeat is being watched yet."
    return (Tile(Area.REPORTS, "Expected reports", "event_available", link, facts, off),)


def events(user: Any) -> Iterator[Event]:
    """The latest deliveries and failures, if the operator may see them; few queries, each on an index."""
    if not rights.SEE_QUEUE(user):
        return
    for status, kind, verb in (
        (Status.SENT, "sent", "was delivered to"),
        (Status.FAILED, "failed", "was not delivered to"),
        (Status.RETRYING, "deferred", "is being retried for"),
    ):
        latest = Message.objects.filter(status=status).order_by("-id")
        rows = latest.only("subject", "to", "message_id", "sent_at", "created_at", "last_error")[:_LATEST]
        for row in sorted(rows, key=_happened, reverse=True)[:_EVENTS]:
            link = Link("Open the message", "admin:mailrelay_message_change", of=row.pk)
            yield Event(
                f"mail-{row.pk}", kind, _happened(row), row.subject or "(no subject)", _told(row, verb), link
            )


def names(user: Any, message_ids: Collection[str]) -> dict[str, str]:
    """Message-ID → subject and recipient, for the audit log."""
    if not rights.SEE_QUEUE(user):
        return {}
    rows = Message.objects.filter(message_id__in=message_ids).only("subject", "to", "message_id")
    return {
        row.message_id: f"“{row.subject or '(no subject)'}” to {(row.to or ['nobody'])[0]}" for row in rows
    }


def _happened(row: Message) -> datetime:
    error = row.last_error or {}
    at = datetime.fromisoformat(error["at"]) if "at" in error else row.created_at
    return row.sent_at or at


def _told(row: Message, verb: str) -> str:
    to = row.to[0] if row.to else "nobody"
    # The queue puts the address in front of the reply, which is said already.
    error = str((row.last_error or {}).get("message", "")).removeprefix(f"{to}: ")
    why = f": {words.one_line(error, 120)}" if error else ""
    return f"{verb} {to}{why}"


def hours(since: datetime) -> Hours:
    """The numbers of the charts; for this hour also those that wait now."""
    found = counts.hours(since)
    numbers = counts.by_status()
    this = counts.hour_of(timezone.now()), str(HourlyCount.Outcome.WAITING)
    waiting = sum(numbers[status] for status in counts.WAITING)
    return {**found, this: max(found.get(this, 0), waiting)}


def _has_delivered() -> bool:
    return counts.by_status()[Status.SENT] > 0
