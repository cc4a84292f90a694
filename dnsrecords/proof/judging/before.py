"""The way of a mail until it has left: what the queue's attempts say, or the mail server's log. Pure.

A failure that ends here is told at once; nobody waits for a mail that never left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from dnsrecords.proof.judging.verdict import At, Check, Mark, Station
from quazzar import words

#: Stages at which another attempt may go well within minutes, if the server says so (4xx): greylisting, say.
_MAY_PASS = ("sender", "recipient", "data")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

_SENDER_REFUSED = re.compile(r"sender (?:address )?(?:rejected|denied|not (?:allowed|verified|owned))", re.I)
#: The same of a relay, which knows who sends.
_RELAY_REFUSED_SENDER = re.compile(rf"{_SENDER_REFUSED.pattern}|not verified|in reply to MAIL FROM", re.I)
#: A server's words → (check, where, what to do, the page). The first that fits counts.
_REASONS: Final = (
    (
        re.compile(r"spamhaus|\bdnsbl|\brbl\b|block ?list|black ?list|\blisted (?:in|at|on|by)\b", re.I),
        "blocklists",
        At.DOOR,
        "Find the cause first, then ask the list named in the answer for removal.",
        "admin:dns_blocklists",
    ),
    (
        re.compile(r"reverse (?:dns|lookup|name|host)|\bptr\b|\brdns\b|5\.7\.25|cannot find your", re.I),
        "ptr",
        At.DOOR,
        "Set the reverse name (PTR) of the address where you rent the server.",
        "",
    ),
    (
        re.compile(r"\bdmarc\b", re.I),
        "dmarc",
        At.IDENTITY,
        "Neither SPF nor DKIM proved the sender. Compare the DNS records with those wanted.",
        "admin:dns_overview",
    ),
    (
        re.compile(r"\bdkim\b|5\.7\.20", re.I),
        "dkim",
        At.IDENTITY,
        "Compare the DKIM record with the one wanted.",
        "admin:dns_overview",
    ),
    (
        re.compile(r"\bspf\b|5\.7\.23|not (?:allowed|permitted|authori[sz]ed) to send", re.I),
        "spf",
        At.IDENTITY,
        "Compare the SPF record with the one wanted.",
        "admin:dns_overview",
    ),
    (
        re.compile(r"5\.7\.26|unauthenticated", re.I),
        "dmarc",
        At.IDENTITY,
        "Neither SPF nor DKIM proved the sender. Compare the DNS records with those wanted.",
        "admin:dns_overview",
    ),
    (
        re.compile(r"starttls|\btls\b|encrypt", re.I),
        "tls",
        At.DOOR,
        "The receiving server wants encryption that was not made.",
        "",
    ),
    (
        _SENDER_REFUSED,
        "sender",
        At.DOOR,
        "That server does not take mail from this sender. Send from another address, or ask its operator.",
        "",
    ),
)
_SHUT = re.compile(
    r"connect to (?P<host>[^\s\[]{1,255})\[[^\]]*\]:25: "
    r"(?P<words>Connection timed out|Connection refused|No route to host|Network is unreachable)"
)
_TRY_AGAIN = re.compile(r"\b4\d\d[ -]|\b4\.\d\.\d|try again|greylist", re.I)
_OWN_LOGIN = re.compile(r"SASL (?:\[CACHED\] )?authentication failed|\b53[045][ -]5?", re.I)


@dataclass(frozen=True, slots=True)
class Left:
    """How far a mail got before it reached another server.

    Attributes:
        failed: it will not leave, or not soon.
        at: when the next server took it, by this node's clock; None: it has not.
    """

    stations: tuple[Station, ...]
    failed: bool = False
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """What the mail server's log says, as far as it is needed."""

    at: datetime
    kind: str
    text: str = ""
    remote: str = ""
    agent: str = ""


def node(at: datetime | None, sentence: str, mark: Mark = Mark.OK) -> Station:
    """The first station: this node, where the mail was written, and when."""
    when = at.isoformat() if at else ""
    return Station(At.NODE, "This node", at=when, checks=(Check("queued", mark, sentence),))


# --- through the relay ---------------------------------------------------------------------------------------
def by_relay(
    queued_at: datetime,
    entries: Sequence[dict[str, Any]],
    host: str,
    security: str,
    explained: Callable[[dict[str, Any]], tuple[str, str]],
) -> Left:
    """What the attempts of a message say.

    Args:
        entries: of ``Message.history``, attempts only.
        host: the relay's.
        explained: what went wrong at an attempt, and what to do.
    """
    start = node(queued_at, "The mail was queued.")
    if not entries:
        waits = Check("accepted", Mark.PENDING, "The mail waits for its first attempt.")
        return Left((start, Station(At.SENDER, "Relay", host, checks=(waits,))))
    last = entries[-1]
    at = datetime.fromisoformat(last["at"])
    spent = (last.get("duration_ms") or 0) / 1000
    if last["stage"] == "done":
        said = f": {words.one_line(last['message'], 160)}" if last["message"] else ""
        taken = Check("accepted", Mark.OK, f"The relay took the mail{said}")
        relay = Station(
            At.SENDER,
            "Relay",
            host,
            "",
            at.isoformat(),
            spent,
            "unencrypted" if security == "none" else "TLS",
            (*_encryption(host, security), taken),
        )
        return Left((start, relay), at=at)
    sentence, remedy = explained(last)
    is_temporary = last["stage"] in _MAY_PASS and 400 <= (last["code"] or 0) < 500
    key = {"tls": "tls", "auth": "sign_in", "sender": "sender"}.get(last["stage"], "accepted")
    mark = Mark.WARNING if is_temporary else Mark.BAD
    check = Check(key, mark, sentence, remedy, "admin:mail_relay")
    station = Station(At.SENDER, "Relay", host, "", at.isoformat(), spent, "", (check,))
    return Left((start, station), failed=not is_temporary)


def _encryption(host: str, security: str) -> list[Check]:
    if security != "none" or host in _LOOPBACK:
        return []
    return [
        Check(
            "tls",
            Mark.BAD,
            f"The connection to the relay {host} is not encrypted, so everybody on the way can read the mail.",
            "Choose STARTTLS or implicit TLS in the relay settings.",
            "admin:mail_relay",
        )
    ]


def came_through(left: Left) -> Left:
    """The same for a mail that has arrived: it has left, also where the log does not tell so."""
    return replace(left, stations=tuple(map(_passed, left.stations)))


def _passed(station: Station) -> Station:
    if not any(check.mark is Mark.PENDING for check in station.checks):
        return station
    done = Check("accepted", Mark.OK, "The mail left; when it did was not logged.")
    kept = (check for check in station.checks if check.mark is not Mark.PENDING)
    return replace(station, checks=(*kept, done))


# --- through the mail server ---------------------------------------------------------------------------------
def by_server(
    sent_at: datetime,
    events: Iterable[Event],
    host: str,
    domain: str,
    relay: tuple[str, str] | None = None,
) -> Left:
    """What the mail server's log says.

    Args:
        host: the mail server's name.
        domain: the recipient's.
        relay: host and security of the relay that it sends through; None: it delivers directly.
    """
    through_relay = relay is not None
    start = node(sent_at, "The mail server took the mail on its submission port.")
    title = "Mail server and relay" if through_relay else "Mail server"
    sender = Station(At.SENDER, title, host, "", sent_at.isoformat(), 0.0, "TLS")
    ordered = sorted(events, key=lambda event: event.at)
    for event in reversed(ordered):
        if event.kind == "delivered":
            if event.agent == "lmtp":
                said = "The mail server delivered the mail to its own mailbox."
            else:
                said = f"{event.remote or 'The next server'} took the mail: {words.one_line(event.text, 160)}"
            checks = (*(_encryption(*relay) if relay else ()), Check("accepted", Mark.OK, said))
            passed = max(0.0, (event.at - sent_at).total_seconds())
            done = replace(sender, at=event.at.isoformat(), seconds=passed, checks=checks)
            return Left((start, done), at=event.at)
        if event.kind in ("deferred", "bounced", "refused", "expired"):
            return _refused(start, sender, event, domain, through_relay=through_relay)
    pending = Check("accepted", Mark.PENDING, "The mail is in the mail server's queue.")
    return Left((start, replace(sender, checks=(pending,))))


def _refused(start: Station, sender: Station, event: Event, domain: str, *, through_relay: bool) -> Left:
    text = words.one_line(event.text, 300)
    final = event.kind != "deferred"

    def stopped(check: Check) -> Left:
        return Left((start, replace(sender, checks=(check,))), failed=True)

    if found := _SHUT.search(text):
        check = Check(
            "port25",
            Mark.BAD,
            f"The mail server cannot reach port 25 of {found['host']}: {found['words'].lower()}.",
            "Most hosting providers shut port 25. Have it opened, or send through the relay.",
            "admin:mail_boxes_server",
        )
        return stopped(check)
    if through_relay and _OWN_LOGIN.search(text):
        check = Check(
            "sign_in",
            Mark.BAD,
            f"The relay refused the mail server's sign-in: {text}",
            "Enter the relay's username and password again, and send a test mail there.",
            "admin:mail_relay",
        )
        return stopped(check)
    if through_relay and _RELAY_REFUSED_SENDER.search(text):
        check = Check(
            "sender",
            Mark.BAD,
            f"The relay refused the sender: {text}",
            "Verify the domain at the provider of the relay.",
            "admin:mail_relay",
        )
        return stopped(check)
    found_reason = reason(text)
    # A server that is still verifying the sender's address asks to try again, too.
    may_pass = found_reason is None or found_reason[0] == "sender"
    if not final and may_pass and _TRY_AGAIN.search(text):
        waits = Check("accepted", Mark.WARNING, f"The next server asked to try again: {text}")
        return Left((start, replace(sender, checks=(waits,))))
    ours = Check("accepted", Mark.OK, "The mail server tried to pass the mail on.")
    door = refused_at(text, event.remote, domain)
    return Left((start, replace(sender, checks=(ours,)), door), failed=True)


def refused_at(text: str, host: str, domain: str) -> Station:
    """The station at which a server's words say that the mail was refused."""
    where = host.partition("[")[0] or domain
    text = words.one_line(text, 300).rstrip(".")
    found = reason(text)
    if found is None:
        check = Check(
            "accepted",
            Mark.BAD,
            f"{where} did not take the mail: {text}.",
            "Its answer says why; ask its operator.",
        )
        return Station(At.DOOR, "Receiving server", where, checks=(check,))
    key, at, remedy, page = found
    check = Check(key, Mark.BAD, f"{where} refused the mail: {text}.", remedy, page)
    title = "Receiving server" if at is At.DOOR else "Sender's identity"
    return Station(at, title, where, checks=(check,))


def reason(text: str) -> tuple[str, At, str, str] | None:
    """What a server's words are about: check, station, what to do and where; None: nothing that is known."""
    return next(
        ((key, at, do, page) for pattern, key, at, do, page in _REASONS if pattern.search(text)), None
    )
