"""An arrived mail as stations with their checks: from this node to the mailbox. Pure, over look-ups passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dnsrecords.proof.judging import chain, door, identity
from dnsrecords.proof.judging.door import Blocklists
from dnsrecords.proof.judging.identity import Client
from dnsrecords.proof.judging.verdict import At, Check, Mark, Station, Verdict, first
from quazzar import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnsrecords.answers import Lookup
    from dnsrecords.proof.judging.arrived import Arrived
    from dnsrecords.proof.judging.chain import Chain
    from dnsrecords.proof.judging.received import Hop

#: Clocks that differ by less are right: names, greetings and queues take some of it.
_CLOCK = timedelta(minutes=2)
#: A server that keeps a mail for longer holds it up.
_SLOW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Sent:
    """What is known about the sending.

    Attributes:
        at: when this node handed the mail over, by its own clock.
        sender: the envelope sender that it gave.
        own_server: this node's mail server sent it to the world, not a relay.
        before: the stations that are known without the mail: this node, and who took it.
        exchangers: names of the recipient's mail servers.
        arrived_at: when it was found; None: only its header is known.
        stays: the recipient's mailbox is in this node's own mail server, which also sent it.
    """

    at: datetime | None = None
    sender: str = ""
    own_server: bool = False
    before: tuple[Station, ...] = ()
    exchangers: Sequence[str] = ()
    arrived_at: datetime | None = None
    stays: bool = False


Ask = Callable[[str, str], Blocklists | None]


@dataclass(slots=True)
class _Work:
    """The stations that are being put together."""

    mail: Arrived
    sent: Sent
    lookup: Lookup
    ask: Ask
    stations: list[Station] = field(default_factory=list)
    last: datetime | None = None

    def since(self, at: datetime | None) -> float | None:
        """Seconds since the station before; clocks may differ by some."""
        if at is None:
            return None
        passed = max(0.0, (at - self.last).total_seconds()) if self.last else None
        self.last = at
        return passed


def judge(mail: Arrived, sent: Sent, lookup: Lookup, ask: Ask) -> Verdict:
    """All stations of a mail that arrived.

    Args:
        ask: asks the blocklists about an address (may be empty) and a domain; None: they are switched off.
    """
    found = chain.cut(mail.hops, client=mail.client, exchangers=sent.exchangers)
    work = _Work(mail, sent, lookup, ask)
    work.stations += [_with_clock(station, found, sent) for station in sent.before]
    work.last = sent.at
    _before(work, found)
    client = _client(found, mail)
    if not sent.stays:
        _door(work, found, client)
    _identity(work, client)
    _mailbox(work, found)
    return conclude(work.stations, _seconds(sent, found, mail))


def conclude(stations: Sequence[Station], seconds: float | None = None) -> Verdict:
    """The stations with the sentence that sums them up."""
    if bad := first(stations, Mark.BAD):
        return Verdict(tuple(stations), bad[1].sentence, bad[1].remedy, seconds)
    if warned := first(stations, Mark.WARNING):
        return Verdict(tuple(stations), f"The mail arrived. {warned[1].sentence}", warned[1].remedy, seconds)
    took = f" in {words.span(timedelta(seconds=seconds))}" if seconds is not None else ""
    if open_ := first(stations, Mark.UNKNOWN):
        is_proven = Verdict(tuple(stations), "").proves_sender
        sender = ", and its sender is proven. Not known" if is_proven else ""
        sentence = f"The mail arrived{took}{sender}{':' if is_proven else '.'} {open_[1].sentence}"
        return Verdict(tuple(stations), sentence, open_[1].remedy, seconds)
    return Verdict(
        tuple(stations), f"The mail arrived{took}, and every check on its way passed.", "", seconds
    )


def ended(stations: Sequence[Station]) -> Verdict:
    """The verdict on a mail that did not arrive: the last thing that is wrong is where it ended."""
    wrong = [check for station in stations for check in station.checks if check.mark is Mark.BAD]
    if not wrong:
        return conclude(stations)
    return Verdict(tuple(stations), wrong[-1].sentence, wrong[-1].remedy)


# --- this node ------------------------------------------------------------------------------------------------
def _with_clock(station: Station, found: Chain, sent: Sent) -> Station:
    if station.key is not At.NODE:
        return station
    return replace(station, checks=(*station.checks, _clock(found, sent)))


def _clock(found: Chain, sent: Sent) -> Check:
    """Compares this node's clock with those of other servers, which are rarely wrong all at once."""
    foreign = found.before[1:] if sent.own_server else found.before
    others = [hop for hop in (*foreign, *filter(None, [found.door]), *found.after) if hop.at and hop.by]
    if sent.at is None or not others:
        return Check(
            "clock", Mark.UNKNOWN, "No other server's time is known, so the clock cannot be compared."
        )
    first, *more = others
    if not (differs := _differs(first, sent.at, sent.arrived_at)):
        return Check("clock", Mark.OK, f"This node's clock agrees with {first.by}.")
    for hop in more:
        # Where servers differ among themselves, one that had it at the same time by this node's clock is a witness.
        if hop.at is not None and abs(hop.at - sent.at) <= _CLOCK:
            return Check(
                "clock", Mark.OK, f"This node's clock agrees with {hop.by}; that of {first.by} is wrong."
            )
    return Check("clock", Mark.BAD, f"This node's clock is {differs} {first.by}.", _SET_CLOCK)


def _differs(hop: Hop, sent_at: datetime, arrived_at: datetime | None) -> str:
    """How this node's clock differs from that of a server; empty if it does not, as far as one can tell."""
    assert hop.at is not None
    if (ahead := sent_at - hop.at) > _CLOCK:
        return f"{words.span(ahead)} ahead of"
    if arrived_at is not None and (behind := hop.at - arrived_at) > _CLOCK:
        # The mail was here before it was there.
        return f"at least {words.span(behind)} behind"
    return ""


_SET_CLOCK = "Set the clock of this machine, and switch on its time service (timedatectl set-ntp true)."


# --- on the way -----------------------------------------------------------------------------------------------
def _before(work: _Work, found: Chain) -> None:
    """The sending side's servers: the first one belongs to the station that took the mail."""
    hops = list(found.before)
    known = next((at for at, each in enumerate(work.stations) if each.key is At.SENDER), None)
    if known is not None and hops:
        taker = next((hop for hop in hops if not hop.is_local and hop.by), hops[0])
        work.stations[known] = _met(work, work.stations[known], taker)
        hops = [hop for hop in hops[hops.index(taker) + 1 :] if not _inside(hop)]
    for hop in hops:
        if hop.by:
            work.stations.append(_between(work, hop))


def _met(work: _Work, station: Station, hop: Hop) -> Station:
    seconds = work.since(hop.at)
    return replace(
        station,
        host=hop.by or station.host,
        at=hop.at.isoformat() if hop.at else station.at,
        seconds=station.seconds if seconds is None else seconds,
        tls=door.tls_of(hop) or station.tls,
    )


def _inside(hop: Hop) -> bool:
    """A step within one server, such as to its filter and back."""
    return not hop.ip or hop.ip.startswith("127.") or hop.ip == "::1"


def _between(work: _Work, hop: Hop) -> Station:
    seconds = work.since(hop.at)
    return Station(
        At.HOP,
        "On the way",
        hop.by,
        "",
        hop.at.isoformat() if hop.at else "",
        seconds,
        door.tls_of(hop),
        (_time(hop.by, seconds),),
    )


def _time(host: str, seconds: float | None) -> Check:
    if seconds is None:
        return Check("time", Mark.OK, f"{host} passed the mail on.")
    took = words.span(timedelta(seconds=seconds))
    if seconds > _SLOW.total_seconds():
        return Check("time", Mark.WARNING, f"It took {took} until {host} had the mail.")
    return Check("time", Mark.OK, f"It took {took} until {host} had the mail.")


# --- the receiving side ---------------------------------------------------------------------------------------
def _client(found: Chain, mail: Arrived) -> Client:
    hop = found.door
    ip = mail.client or (hop.ip if hop else "")
    return Client(ip if door.may_be_seen(ip) else "", hop.helo if hop else "")


def _door(work: _Work, found: Chain, client: Client) -> None:
    hop, sent, mail = found.door, work.sent, work.mail
    seen = mail.client or (hop.ip if hop else "")
    checks: list[Check] = []
    if hop is not None:
        checks.append(door.tls(hop, ours=sent.own_server))
    if client.ip:
        checks.append(door.ptr(client.ip, client.helo, work.lookup, ours=sent.own_server))
    else:
        checks.append(door.hidden(seen))
    if (listings := work.ask(client.ip, mail.domain)) is not None:
        checks.append(door.blocklists(listings))
    at = hop.at if hop else None
    seconds = work.since(at)
    if hop is not None and seconds is not None:
        checks.append(_time(hop.by, seconds))
    work.stations.append(
        Station(
            At.DOOR,
            "Receiving server",
            hop.by if hop else "",
            client.ip,
            at.isoformat() if at else "",
            seconds,
            door.tls_of(hop) if hop else "",
            tuple(checks),
        )
    )


def _identity(work: _Work, client: Client) -> None:
    mail, sent = work.mail, work.sent
    found = identity.find(mail, mail.sender or sent.sender, client, work.lookup)
    checks = identity.checks(found, mail, client)
    if sent.stays:
        checks = tuple(check for check in checks if check.key != "spf")
    work.stations.append(Station(At.IDENTITY, "Sender's identity", mail.domain, checks=checks))


def _mailbox(work: _Work, found: Chain) -> None:
    spam = work.mail.spam
    checks = [Check("arrived", Mark.OK, "The mail is in the mailbox.")]
    score = f" ({spam.score}{f' of {spam.limit}' if spam.limit else ''} points)" if spam.score else ""
    score = score.replace("-", "−")
    if spam.flagged:
        others = (check.mark for station in work.stations for check in station.checks)
        first = "First correct what else is red. " if Mark.BAD in others else ""
        checks.append(
            Check(
                "spam",
                Mark.BAD,
                f"The receiving server considers the mail spam{score}.",
                f"{first}A new domain or address needs some weeks of good mail.",
            )
        )
    elif spam.score:
        checks.append(Check("spam", Mark.OK, f"The receiving server does not consider the mail spam{score}."))
    last = found.after[-1] if found.after else None
    at = work.sent.arrived_at
    work.stations.append(
        Station(
            At.MAILBOX,
            "Mailbox",
            last.by if last else "",
            "",
            at.isoformat() if at else "",
            work.since(last.at) if last else None,
            "",
            tuple(checks),
        )
    )


def _seconds(sent: Sent, found: Chain, mail: Arrived) -> float | None:
    """How long the mail took, by the clocks of the servers that had it."""
    times = [hop.at for hop in mail.hops if hop.at]
    if not times or sent.at is None:
        return None
    return max(0.0, (times[-1] - sent.at).total_seconds())
