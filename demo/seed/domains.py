"""The demo's domains in the console and in its own DNS: one right, one that broke this morning, one half published."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from demo import environment, letterbox
from demo.loopback import RELAY
from demo.seed.clock import Event
from demo.seed.people import Crew
from dnsrecords.checking import check
from dnsrecords.checking.report import zone as zone_of
from mailboxes.models import Domain
from mailboxes.provisioning import aliases, domains, mailboxes
from mailboxes.stack import control

RIGHT, BROKEN, NEW = "harbour.example", "orchard.example", "lantern.example"
_PEOPLE = {
    RIGHT: (("ada", "Ada Lindqvist", 5_120), ("maya", "Maya Okafor", 5_120), ("jonas", "Jonas Weber", 2_048)),
    BROKEN: (("shop", "Orchard shop", 10_240), ("orders", "Orders", 10_240)),
    NEW: (("hello", "Lantern", 1_024),),
}
_ALIASES = {
    RIGHT: (("postmaster", ["ada"]), ("info", ["ada", "maya"]), ("billing", ["maya"])),
    BROKEN: (("returns", ["orders"]), ("newsletter", ["shop"])),
}
_HOUR = timedelta(hours=1)
#: The mailbox whose password is printed.
ADA = f"ada@{RIGHT}"


def enable_server() -> None:
    """Ask for the mail server, as an operator does."""
    control.enable(f"mail.{RIGHT}")


def ada_password() -> str:
    """The password of ADA's mailbox, which is stored in the demo's folder."""
    file = Path(settings.QUAZZAR_DATA_DIR) / environment.MAILBOX
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(15))
    return file.read_text()


class Zones:
    """The zones of the demo's DNS, as files that its name server answers from."""

    def __init__(self) -> None:
        self._folder = Path(settings.QUAZZAR_DATA_DIR) / environment.ZONES

    def publish(self, name: str, text: str) -> None:
        """Write the file of this zone (RFC 1035 §5); the name server answers from it at the next question."""
        (self._folder / f"{name}.zone").write_text(text)


def events(crew: Crew, zones: Zones, now: datetime) -> list[Event]:
    """What happened to the domains, as events with a time and a function to call."""

    def add() -> None:
        zones.publish(RELAY, _RELAY_ZONE)
        for name in (RIGHT, BROKEN):
            with crew.by(crew.owner, now - 150 * _HOUR):
                _add(name)
            zones.publish(name, _published(name))
        _look(RIGHT, BROKEN)

    def add_new() -> None:
        with crew.by(crew.maya, now - 26 * _HOUR):
            _add(NEW)
        half = [
            line for line in _published(NEW).splitlines() if "_domainkey" not in line and "_dmarc" not in line
        ]
        zones.publish(NEW, "\n".join([*half, '@ 3600 IN TXT "google-site-verification=not-a-real-one"', ""]))
        _look(NEW)

    def break_it() -> None:
        # Somebody tidied up, and removed the relay from the SPF record, and the key that it signs with.
        tidied = _published(BROKEN).replace(f"v=spf1 mx a:{RELAY}", "v=spf1 mx")
        zones.publish(BROKEN, tidied.replace(letterbox.key_record(), ""))
        _look(BROKEN)

    def look() -> None:
        _look(RIGHT, BROKEN, NEW)

    return [
        (now - 150 * _HOUR, add),
        (now - 26 * _HOUR, add_new),
        (now - 5.3 * _HOUR, break_it),
        (now - timedelta(minutes=7), look),
    ]


#: What every zone of the demo begins with.
HEAD = "$TTL 3600\n@ IN SOA ns.invalid. hostmaster.invalid. ( 1 7200 3600 1209600 600 )\n@ IN NS ns.invalid."
_RELAY_ZONE = f"{HEAD}\n@ IN A 192.0.2.80\n"


def _add(name: str) -> None:
    row = domains.add_domain(name)
    for local_part, shown, quota in _PEOPLE[name]:
        password = ada_password() if f"{local_part}@{name}" == ADA else secrets.token_urlsafe(18)
        mailboxes.add_mailbox(row.pk, local_part, password=password, quota_mb=quota, display_name=shown)
    for local_part, people in _ALIASES.get(name, ()):
        aliases.add_alias(row.pk, local_part, [f"{person}@{name}" for person in people])


def _published(name: str) -> str:
    """The zone with everything that the console asks for."""
    zone = zone_of(Domain.objects.get(name=name))
    return f"{zone}\nmail 3600 IN A 192.0.2.25\n{letterbox.key_record()}\n"


def _look(*names: str) -> None:
    for domain in Domain.objects.filter(name__in=names):
        check.check(domain)
