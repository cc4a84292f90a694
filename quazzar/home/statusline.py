"""The one line that says whether mail works. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from quazzar import rights, words
from quazzar.home.registry import Link, Mail, MailState
from quazzar.home.tiles import State, Status
from quazzar.monitoring.doctor import Area, Finding

#: Mail that has waited longer than this is late. If other mail has left since then, the relay works and one recipient's
#: server asks to try again, as greylisting does: such mail is late after some hours.
_LATE, _LATE_AT_RECIPIENT = timedelta(minutes=15), timedelta(hours=4)
_LOOK = Link("Open Doctor", "admin:doctor")
_RELAY = Link("Open the relay settings", "admin:mail_relay")


@dataclass(frozen=True, slots=True)
class Line:
    """A headline, short enough for two lines on a phone: ``text``, then a time if there is one, then ``end``.

    Attributes:
        tone: ok, wait, bad or off.
        form: how the time is written: as a moment (14:05) or a distance (2 min ago).
        more: what stands below, such as the reason; may be empty.
        advice: what to do with the link; only for those who may follow it.
    """

    tone: str
    text: str
    at: datetime | None = None
    form: Literal["moment", "distance"] = "distance"
    end: str = ""
    more: str = ""
    link: Link | None = None
    advice: str = ""

    def plain(self, now: datetime) -> str:
        """Return the line as text."""
        at = ""
        if self.at is not None:
            at = f"{self.at:%H:%M}" if self.form == "moment" else words.distance(self.at - now)
        return " ".join(filter(None, (f"{self.text}{at}{self.end}".strip(), self.advice, self.more)))


def say(mail: Mail | None, tiles: Sequence[Status], worker: Finding | None, now: datetime) -> Line | None:
    """The line for an operator; None if they may see none of its parts.

    Args:
        mail: the state of outgoing mail; None if the operator may not see it.
        tiles: the tiles that the operator sees.
        worker: what is wrong with the worker; None if nothing is.
    """
    if mail is None and not tiles:
        return None
    if worker is not None:
        return _silent(worker)
    if mail is not None and (line := _trouble(mail, now)) is not None:
        return line
    server = _of(Area.SERVER, tiles)
    if server is not None and server.state is State.FAILING:
        return _failing(server)
    licence = _of(Area.LICENCE, tiles)
    if licence is not None and licence.state is State.FAILING:
        why = "This node's plan does not include Mail Relay. Queued mail is still sent."
        return _since("Alerts have been refused", "Alerts are refused.", licence, why)
    return _well(mail, server, tiles)


def _of(area: Area, tiles: Sequence[Status]) -> Status | None:
    return next((tile for tile in tiles if tile.tile.area == area), None)


def _silent(worker: Finding) -> Line:
    """The worker is silent, so queued mail may not be leaving and the rest of the page may be out of date."""
    old = "The details below may be out of date."
    if worker.since is None:
        return Line("bad", "No mail is being sent.", more=f"{worker.sentence} {old}", link=_LOOK)
    more = f"Mail may not be going out. {old}"
    return Line("bad", "The worker has not reported since ", worker.since, "moment", ".", more, _LOOK)


def _failing(server: Status) -> Line:
    """The mail server itself, or a part of it while the server runs."""
    if server.part:
        why = f"{server.part}: {server.sentence}"
        return _since("The mail server has had a problem", "The mail server has a problem.", server, why)
    return _since("The mail server has been failing", "The mail server is failing.", server, server.sentence)


def _since(what: str, without_time: str, tile: Status, why: str) -> Line:
    """What fails, with the time where it is known."""
    if tile.since is None:
        return Line("bad", without_time, more=why, link=tile.link)
    return Line("bad", f"{what} since ", tile.since, "moment", ".", why, tile.link)


def is_late(oldest: datetime | None, delivered: datetime | None, now: datetime) -> bool:
    """Whether mail that waits needs attention.

    Args:
        oldest: when the oldest waiting message was queued; None if none waits.
        delivered: when mail last left; None if it fails, or never did.
    """
    if oldest is None:
        return False
    flows = delivered is not None and delivered > oldest
    return now - oldest > (_LATE_AT_RECIPIENT if flows else _LATE)


def _trouble(mail: Mail, now: datetime) -> Line | None:
    if mail.state is MailState.UNREADABLE:
        return Line(
            "bad",
            "No mail is being sent.",
            more="This key file cannot decrypt the relay password. Enter the password again, or put the old key file "
            "back.",
            link=_RELAY,
        )
    if mail.state is MailState.FAILING:
        return Line(
            "bad",
            f"Mail has been failing at {mail.place} since ",
            mail.at,
            "moment",
            ".",
            more=f"{_sentence(mail.reason)} {_waiting(mail)}".strip(),
            link=Link("Send a test mail", "admin:mail_relay", "#test-form", right=rights.TEST_RELAY),
        )
    if is_late(mail.oldest, mail.at if mail.state is MailState.WORKS else None, now):
        return Line(
            "wait",
            "Mail has been waiting since ",
            mail.oldest,
            "moment",
            ".",
            more=_waiting(mail),
            link=Link("Show waiting mail", "admin:mailrelay_message_changelist", "?waiting=yes"),
        )
    return None


def _well(mail: Mail | None, server: Status | None, tiles: Sequence[Status]) -> Line:
    """Mail is not known to fail."""
    attention = [tile for tile in tiles if tile.state in (State.FAILING, State.ATTENTION)]
    unknown = [tile for tile in tiles if tile.state is State.UNKNOWN]
    tone = "wait" if any(tile.state is State.FAILING for tile in attention) else "ok"
    more = _needs(attention)
    link = attention[0].link if attention else None
    if unknown and not attention:
        tone, more, link = "wait", _not_checked(unknown), _LOOK
    if mail is not None and mail.state is MailState.WORKS:
        return Line(tone, "Mail works. Last delivery ", mail.at, "distance", ".", more, link)
    if server is not None and server.state is not State.OFF:
        serves = "The mail server works." if server.state is State.WORKS else "The mail server runs."
        return Line(tone, serves, more=more, link=link)
    if mail is None:
        return Line(
            tone,
            "No problems found." if not attention else "Something needs your attention.",
            more=more,
            link=link,
        )
    return _untried(mail, more if tone == "wait" else "")


def _untried(mail: Mail, more: str) -> Line:
    """No mail has left, or none since the relay was changed."""
    tone = "wait" if mail.ever or more else "off"
    if mail.state is MailState.OFF:
        text = "No relay is set up, so no mail is sent." if mail.ever else "No mail has been sent yet."
        advice = "Set up a relay to get alerts by mail."
        link = Link("Set up a relay", "admin:mail_relay", right=rights.CHANGE_RELAY)
    else:
        text = "No mail since the relay was changed." if mail.ever else "No mail has been sent yet."
        advice = "Send a test mail."
        link = Link("Send a test mail", "admin:mail_relay", "#test-form", right=rights.TEST_RELAY)
    return Line(tone, text, more=more, link=link, advice=advice)


def _waiting(mail: Mail) -> str:
    return words.count(mail.waiting, "message waits", "messages wait") + "." if mail.waiting else ""


def _needs(tiles: Sequence[Status]) -> str:
    """``DNS and the certificate need attention.``"""
    if not tiles:
        return ""
    names = [tile.tile.title for tile in tiles]
    return f"{words.listed(names)} {'needs' if len(names) == 1 else 'need'} attention."


def _not_checked(tiles: Sequence[Status]) -> str:
    names = [tile.tile.title for tile in tiles]
    return f"{words.listed(names)}: not checked recently."


def _sentence(reason: str) -> str:
    """The reason with a full stop."""
    return f"{reason.strip().rstrip('.')}." if reason else ""
