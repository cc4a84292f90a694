"""Delivery proofs of the demo: one each day by itself, one that failed, one that was answered, one still on its way."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import format_datetime

from django.utils import timezone

from demo.letterbox import PROOFS
from demo.seed.clock import Event
from demo.seed.domains import BROKEN, HEAD, Zones
from demo.seed.people import OFFICE, Crew
from dnsrecords.models import Proof, ProofSchedule, Way
from dnsrecords.proof import running, schedule, starting
from dnsrecords.proof.starting import Wish
from mailrelay.inbox import fetching, readers, settings
from mailrelay.models import Inbox

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
#: How soon a mail is looked for.
_SOON = timedelta(seconds=70)
_NOAH, _EMMA = "noah@brandt.example", "emma.larsen@meadow.example"


def events(crew: Crew, zones: Zones, now: datetime) -> list[Event]:
    """How they were sent, found and judged."""
    first = now - 6 * _DAY - 4.4 * _HOUR

    def set_up() -> None:
        zones.publish("posthorn.example", f"{HEAD}\n@ IN MX 10 mx\nmx IN A 198.51.100.99\n")
        with crew.by(crew.owner, first):
            box = settings.add({"host": "imap.posthorn.example", "username": PROOFS, "password": "demo"})
            fetching.look(box)
            schedule.save(ProofSchedule.Every.DAY, Wish(Way.RELAY, inbox=box.pk))

    def from_the_shop() -> None:
        with crew.by(crew.maya, now - 4 * _HOUR, OFFICE):
            box = Inbox.objects.get(username=PROOFS)
            starting.start(Wish(Way.RELAY, f"shop@{BROKEN}", box.pk))

    def ask(whom: str, when: datetime) -> Event:
        def happen() -> None:
            with crew.by(crew.owner, when):
                starting.start(Wish(Way.RELAY, to=whom))

        return when, happen

    # A daily proof starts some seconds after the one of the day before.
    daily = [first + day * (_DAY + timedelta(seconds=9)) for day in range(7)]
    return [
        (first - timedelta(seconds=5), set_up),
        *((when, running.carry_on) for when in daily),
        *((when + _SOON, _find) for when in daily),
        ask(_NOAH, now - 51 * _HOUR),
        (now - 50.2 * _HOUR, _answer),
        (now - 4 * _HOUR, from_the_shop),
        (now - 4 * _HOUR + _SOON, _find),
        ask(_EMMA, now - 2.4 * _HOUR),
        (now - 2.4 * _HOUR + _SOON, running.carry_on),
    ]


def _find() -> None:
    fetching.look_at_all()
    running.carry_on()


_REPLY = """\
From: Noah Brandt <{by}>
To: {to}
Subject: Re: Delivery proof
Date: {date}
Message-ID: <answer@brandt.example>
In-Reply-To: {about}

It is here. Noah
"""


def _answer() -> None:
    about = Proof.objects.get(to=_NOAH).message_id
    date = format_datetime(timezone.now())
    assert readers.read(_REPLY.format(by=_NOAH, to=PROOFS, date=date, about=about).encode())
    running.carry_on()
