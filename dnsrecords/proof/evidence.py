"""What this node knows about a proof's mail: attempts, the mail server's log, bounces; and asking DNS about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dnsrecords import answers
from dnsrecords.blocklists import check as blocklists
from dnsrecords.blocklists.lists import BY_KEY
from dnsrecords.blocklists.verdicts import State
from dnsrecords.models import Way
from dnsrecords.proof.judging import before
from dnsrecords.proof.judging.door import Blocklists, Listing
from dnsrecords.proof.judging.verdict import Mark
from mailboxes.maillog import finding
from mailboxes.models import Stack
from mailrelay import history
from mailrelay.diagnosis.explain import explain
from mailrelay.models import Feedback, Message, RelaySettings
from mailrelay.queue import byhand
from quazzar.errors import DeliveryError

if TYPE_CHECKING:
    from dnsrecords.answers import Answer, Lookup
    from dnsrecords.lookup.resolver import Resolver
    from dnsrecords.models import Proof
    from dnsrecords.proof.judging.before import Left


def left(row: Proof) -> Left:
    """How far the mail got before it reached another server."""
    return _by_relay(row) if row.way == Way.RELAY else _by_server(row)


def _by_relay(row: Proof) -> Left:
    relay = RelaySettings.objects.defer("password").filter(pk=1).first() or RelaySettings(pk=1)
    entries = history.attempts(row.queued.history) if row.queued else []

    def explained(entry: dict[str, Any]) -> tuple[str, str]:
        code = entry["code"]
        failure = DeliveryError(
            entry["message"],
            stage=entry["stage"],
            kind=entry["kind"] or "rejected",
            smtp_code=code,
            permanent=(code or 0) >= 500,
        )
        found = explain(failure, relay)
        return found.message, found.hint

    if row.queued is not None and not entries and row.queued.status == Message.Status.FAILED:
        said = (row.queued.last_error or {}).get("message", "The message was given up.")
        station = before.node(row.created_at, said, Mark.BAD)
        return before.Left((station,), failed=True)
    host = entries[-1]["host"].rpartition(":")[0] if entries and entries[-1]["host"] else relay.host
    return before.by_relay(row.created_at, entries, host, relay.security, explained)


def _by_server(row: Proof) -> Left:
    journey = finding.journey_of(row.message_id)
    # A bounce that the mail server writes belongs to the same journey.
    reports = journey.facts.get("reports", ()) if journey else ()
    events = [
        before.Event(event.at, event.kind, event.text, event.remote, (event.data or {}).get("agent", ""))
        for event in (journey.events.all() if journey else ())
        if event.queue_id not in reports
    ]
    return before.by_server(
        row.sent_at or row.created_at,
        events,
        Stack.load().hostname,
        row.to.rpartition("@")[2],
        _relay_of(row),
    )


def _relay_of(row: Proof) -> tuple[str, str] | None:
    """Host and security of the relay that the mail server sends this mail through."""
    if not row.through_relay:
        return None
    relay = RelaySettings.objects.defer("password").filter(pk=1).first()
    return (relay.host, relay.security) if relay else ("", "starttls")


def bounce(row: Proof) -> tuple[str, str] | None:
    """The words with which the mail was refused later, and the server that said them; None: it was not."""
    if row.queued is None:
        return None
    found = Feedback.objects.filter(message=row.queued, kind=Feedback.Kind.BOUNCED).first()
    return (found.said or "It bounced", found.host) if found else None


def cancel(row: Proof) -> None:
    """Do not try any longer what has been judged already."""
    if row.queued is not None:
        byhand.cancel(row.queued)


def envelope_sender(row: Proof) -> str:
    """The envelope sender that was given, as far as it is stored."""
    stored = row.queued.envelope_sender if row.queued else ""
    return stored or row.from_address


def ask_blocklists(ip: str, domain: str) -> Blocklists | None:
    """What the blocklists say about an address (may be empty) and a domain; None: they are switched off."""
    if not blocklists.enabled():
        return None
    subjects = [each for each in (ip, domain) if each]
    wanted = {each.key: [about for about in subjects if each.takes(about)] for each in blocklists.enabled()}
    found = blocklists.look(wanted)
    listed = [
        Listing(subject, BY_KEY[key].name, verdict.reason, BY_KEY[key].page)
        for (subject, key), verdict in found.items()
        if verdict.state is State.LISTED
    ]
    answered = {key for (_, key), verdict in found.items() if verdict.state in (State.LISTED, State.CLEAR)}
    silent = [BY_KEY[key].name for key in wanted if wanted[key] and key not in answered]
    return Blocklists(listed, len(answered), silent)


def remembering(resolver: Resolver) -> Lookup:
    """Look-ups that ask each question once."""

    def ask(name: str, type_: str) -> Answer:
        return resolver.lookup(name, type_)

    return answers.remembering(ask)
