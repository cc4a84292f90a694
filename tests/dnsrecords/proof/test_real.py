"""A proof through a relay, with a real receiving server, name server and inbox: green, and red for each wrong thing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from dnsrecords.blocklists.lists import LISTS
from dnsrecords.models import Proof
from dnsrecords.proof import progress, running, starting
from dnsrecords.proof.judging.verdict import At, Mark
from dnsrecords.proof.starting import Wish
from mailrelay.inbox import fetching, settings
from mailrelay.models import Inbox, Message, RelaySettings
from mailrelay.queue import delivery
from tests.dnsrecords.proof.setups import key
from tests.dnsrecords.proof.signingrelay import HOST, IP, SigningRelay
from tests.rig import free_port, or_skip
from tests.rig.dovecot import RealDovecot
from tests.rig.nameserver import Nameserver
from tests.rig.postfix import RealPostfix
from tests.tiers import some

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.django_db]
#: The receiving server offers encryption, and writes down whether it was used.
POSTFIX = {"smtpd_tls_security_level": "may", "smtpd_tls_received_header": "yes"}
#: Zone → its lines, for a set-up that is right.
ZONES: Mapping[str, Sequence[str]] = {
    "sender.test": (
        f'@ TXT "v=spf1 ip4:{IP} -all"',
        f'quazzar._domainkey TXT "v=DKIM1; k=rsa; p={key()[1]}"',
        '_dmarc TXT "v=DMARC1; p=quarantine"',
        f"mail A {IP}",
    ),
    "inbox.test": ("@ MX 10 mx.provider.test.",),
    "0.0.127.in-addr.arpa": (f"5 PTR {HOST}.",),
}
#: They have nobody but what they list for tests.
BLOCKLISTS: Mapping[str, Sequence[str]] = {
    each.zone: [f"{each.question(each.listed)}. A 127.0.0.2"] for each in LISTS
}


@dataclass
class World:
    """Everything that a proof meets."""

    nameserver: Nameserver
    postfix: RealPostfix
    dovecot: RealDovecot
    relay: SigningRelay
    inbox: Inbox
    zones: dict[str, list[str]]

    def replace(self, zone: str, old: str, new: str = "") -> None:
        """Change the lines of a zone that have this in them; drop them without a new one."""
        kept = [line for line in self.zones[zone] if old not in line]
        assert len(kept) < len(self.zones[zone])
        self.zones[zone] = kept + ([new] if new else [])

    def prove(self, **wish: Any) -> Proof:
        """Send a proof, and take it to its end."""
        self.nameserver.publish_all(self.zones)
        before = self.postfix.count()
        wish = {"way": "relay", "inbox": self.inbox.pk, **wish}
        row = starting.start(Wish(**wish))
        delivery.drain()
        running.carry_on()
        row.refresh_from_db()
        if not row.is_open:
            return row
        self.postfix.wait_for(before + 1)
        self.dovecot.deliver(self.postfix.raw_messages()[-1])
        assert fetching.look_at_all() == 1
        row.refresh_from_db()
        assert row.state == Proof.State.ARRIVED
        running.carry_on()
        row.refresh_from_db()
        return row


@pytest.fixture(scope="module")
def postfix() -> Iterator[RealPostfix]:
    with or_skip(lambda: RealPostfix(options=POSTFIX)) as running_:
        yield running_


@pytest.fixture(scope="module")
def dovecot() -> Iterator[RealDovecot]:
    with or_skip(RealDovecot) as running_:
        yield running_


@pytest.fixture
def world(db: None, nameserver: Nameserver, postfix: RealPostfix, dovecot: RealDovecot) -> Iterator[World]:
    delivery._stopping.clear()
    account = {"username": dovecot.username, "password": dovecot.password}
    inbox = settings.add({"host": "127.0.0.1", "port": dovecot.port, "security": "none", **account})
    fetching.look_at_all()
    with SigningRelay(postfix.plain_port) as relay:
        values = {
            "host": "127.0.0.1",
            "port": relay.port,
            "security": "none",
            "from_address": "node@sender.test",
        }
        RelaySettings.objects.update_or_create(pk=1, defaults=values)
        zones = {zone: [*lines] for zone, lines in {**ZONES, **BLOCKLISTS}.items()}
        yield World(nameserver, postfix, dovecot, relay, inbox, zones)
    delivery.close_idle_connections(0)


def bad(row: Proof) -> list[tuple[At, str]]:
    """Station and key of what is red."""
    verdict = progress.verdict_of(row)
    return [
        (station.key, check.key)
        for station in verdict.stations
        for check in station.checks
        if check.mark is Mark.BAD
    ]


def test_everything_is_green_on_a_right_setup(world: World) -> None:
    row = world.prove()
    verdict = progress.verdict_of(row)
    checks = {check.key: check for station in verdict.stations for check in station.checks}
    assert {check.mark for check in checks.values()} == {Mark.OK}, checks
    assert row.state == Proof.State.PROVEN
    assert row.sentence.endswith("and every check on its way passed.")
    assert [station.key for station in verdict.stations] == [
        At.NODE,
        At.SENDER,
        At.DOOR,
        At.IDENTITY,
        At.MAILBOX,
    ]
    assert verdict.stations[2].ip == IP and verdict.stations[2].tls == "TLS 1.3"
    assert {"spf", "dkim", "alignment", "dmarc", "ptr", "blocklists", "tls", "clock"} <= checks.keys()


def spf(world: World) -> None:
    world.replace("sender.test", "v=spf1", '@ TXT "v=spf1 ip4:198.51.100.7 -all"')


def dkim_key(world: World) -> None:
    world.replace("sender.test", "_domainkey")


def alignment(world: World) -> None:
    """The relay signs as itself, and takes bounces itself."""
    world.zones["provider.test"] = [
        f'@ TXT "v=spf1 ip4:{IP} -all"',
        f'quazzar._domainkey TXT "v=DKIM1; p={key()[1]}"',
        '_dmarc TXT "v=DMARC1; p=none"',
    ]
    world.relay.signer, world.relay.bounce_to = "provider.test", "bounces@provider.test"


def dmarc(world: World) -> None:
    world.replace("sender.test", "_dmarc")


def ptr(world: World) -> None:
    world.replace("0.0.127.in-addr.arpa", "PTR")


def tls(world: World) -> None:
    world.relay.encrypts = False


def blocklisted(world: World) -> None:
    world.zones["zen.spamhaus.org"].append("5.0.0.127 A 127.0.0.3")


def wrong_sender(world: World) -> None:
    world.relay.refuses = "550 5.7.1 Sender address not verified"


def shut(world: World) -> None:
    RelaySettings.objects.update(port=free_port())


WRONG: dict[Callable[[World], None], tuple[At, str, str]] = {
    spf: (At.IDENTITY, "spf", f"SPF does not let {IP} send for sender.test"),
    dkim_key: (At.IDENTITY, "dkim", "quazzar._domainkey.sender.test does not exist in DNS"),
    alignment: (
        At.IDENTITY,
        "alignment",
        "What was proven is provider.test, but the mail says it is from sender.test",
    ),
    dmarc: (At.IDENTITY, "dmarc", "sender.test has no DMARC policy"),
    ptr: (At.DOOR, "ptr", f"{IP}, the relay's address, has no reverse name"),
    tls: (At.DOOR, "tls", "mx.provider.test without encryption"),
    blocklisted: (At.DOOR, "blocklists", f"{IP} is on the blocklist Spamhaus ZEN: CSS: seen sending spam"),
    wrong_sender: (At.SENDER, "sender", "Sender address not verified"),
    shut: (At.SENDER, "accepted", "127.0.0.1"),
}


@pytest.mark.long
@pytest.mark.parametrize("change", some(WRONG, 4), ids=lambda change: change.__name__)
def test_one_wrong_thing_is_red_at_its_station(world: World, change: Callable[[World], None]) -> None:
    station, key_, sentence = WRONG[change]
    change(world)
    row = world.prove()
    assert row.state == Proof.State.FAILED
    assert bad(row) == [(station, key_)], row.sentence
    assert sentence in row.sentence


def test_a_mail_that_failed_to_leave_is_not_tried_again(world: World) -> None:
    shut(world)
    world.prove()
    assert Message.objects.get().status == Message.Status.FAILED


def test_a_proof_that_is_read_twice_is_judged_once(world: World) -> None:
    row = world.prove()
    world.dovecot.deliver(world.postfix.raw_messages()[-1])
    fetching.look_at_all()
    finished = row.finished_at
    running.carry_on()
    row.refresh_from_db()
    assert (row.state, row.finished_at) == (Proof.State.PROVEN, finished)
