"""Records pasted into a real zone: mail by 587 passes SPF, DKIM and DMARC by them, also while the key is rotated."""

from __future__ import annotations

import threading
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any

import dkim
import pytest

from dnsrecords.lookup.resolver import Resolver
from dnsrecords.spf.evaluate import evaluate
from tests.dnsrecords.mistakes import line, text
from tests.live.mailworld import World, undisturbed
from tests.quazzar.nodes import wait_until
from tests.rig.mailclients import authenticate, mail, parsed, smtp_session, wait_for_raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import MailStack

pytestmark = pytest.mark.real

OURS = "published.test"
#: Where the world sees the node, in the zone.
NODE = "203.0.113.7"


class Zone:
    """What the operator has pasted so far."""

    def __init__(self, world: World) -> None:
        self.world, self.stack = world, world.stack
        self.path = f"/api/mail/domains/{world.domain['id']}/dns"
        self.host = [line("mail.stack.test", "A", NODE)]

    def records(self) -> list[dict[str, Any]]:
        return list(self.stack.expect(200, "GET", self.path)["records"])

    def publish(self, *keep: str) -> None:
        """Every required record and every key, as the page has them; ``keep`` are lines from before."""
        rows = [row for row in self.records() if row["required"] or "_domainkey" in row["name"]]
        lines = [
            text(row["name"], row["value"])
            if row["type"] == "TXT"
            else line(row["name"], row["type"], row["value"])
            for row in rows
        ]
        self.stack.nameserver.publish("stack.test", self.host)
        self.stack.nameserver.publish(OURS, dict.fromkeys([*lines, *keep]))

    def check(self) -> dict[str, str]:
        """Required record → status, freshly looked up."""
        rows = self.stack.expect(200, "POST", f"{self.path}/check")["records"]
        return {row["id"]: row["status"] for row in rows if row["required"]}

    def resolver(self) -> Resolver:
        return Resolver([self.stack.nameserver.address])

    def signed_by(self, raw: bytes) -> str:
        """The selector of a message's signature, which has to verify by what is published at this moment."""
        published = self.resolver()

        def txt(name: bytes, timeout: int = 5) -> bytes:
            answer = published.lookup(name.decode().rstrip("."), "TXT")
            return answer.values[0].encode("latin-1") if answer.values else b""

        header = parsed(raw)["DKIM-Signature"]
        assert dkim.verify(raw, dnsfunc=txt), header
        parts = (part.strip() for part in header.replace("\r", "").replace("\n", "").split(";"))
        tags = dict(part.split("=", 1) for part in parts if "=" in part)
        assert tags["d"].strip() == OURS
        return str(tags["s"]).strip()


@pytest.fixture(scope="module")
def world(mailstack: MailStack) -> Iterator[World]:
    found = World(mailstack, OURS)
    with undisturbed(mailstack, found.bob):
        yield found


@pytest.fixture(scope="module")
def zone(world: World) -> Zone:
    found = Zone(world)
    found.stack.nameserver.publish(OURS, ["@ A 192.0.2.9"])
    assert set(found.check().values()) == {"missing"}
    found.publish()
    assert found.check() == dict.fromkeys(("mx", "spf", "dkim", "dmarc"), "ok")
    return found


def sent(world: World, subject: str) -> bytes:
    """A mail of Alice's by 587, as it arrived."""
    answer = world.submit(subject, world.bob.address)
    assert answer.accepted, answer
    return wait_for_raw(world.server, world.bob.login, subject, within=20)


def test_mail_passes_dkim_spf_and_dmarc_by_the_same_zone(world: World, zone: Zone) -> None:
    raw = sent(world, "by the zone")
    assert zone.signed_by(raw) == "quazzar"
    result = evaluate(OURS, NODE, world.alice.address, "mail.stack.test", zone.resolver().lookup)
    assert result.result == "pass", result
    other = evaluate(OURS, "198.51.100.66", world.alice.address, "elsewhere.test", zone.resolver().lookup)
    assert other.result == "softfail", other
    policy = zone.resolver().lookup(f"_dmarc.{OURS}", "TXT").values
    assert policy[0].startswith("v=DMARC1; p=quarantine")
    # Aligned: the From: header, the signature's d= and the envelope's domain are one.
    assert parseaddr(parsed(raw)["From"])[1].rpartition("@")[2] == OURS


class Stream:
    """Use as a context: inside, mail is sent without a pause, and each mail is verified as it arrives."""

    def __init__(self, world: World, zone: Zone) -> None:
        self.selectors: list[str] = []
        self.problems: list[BaseException] = []
        self._world, self._zone = world, zone
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Stream:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _send(self) -> None:
        number = 0
        while not self._over.is_set() and not self.problems:
            number += 1
            try:
                self.selectors.append(self._zone.signed_by(sent(self._world, f"stream {number}")))
            except (AssertionError, OSError) as exc:
                self.problems.append(exc)

    def wait_for(self, more: int) -> None:
        """Until so many more have arrived."""
        target = len(self.selectors) + more
        wait_until(lambda: len(self.selectors) >= target or self.problems, f"{more} more mails", 120)


def test_a_rotation_under_a_stream_of_mail(world: World, zone: Zone) -> None:
    stack = world.stack
    with Stream(world, zone) as stream:
        stream.wait_for(5)
        begun = stack.expect(201, "POST", f"{zone.path}/rotation")
        zone.check()
        assert stack.expect(200, "GET", f"{zone.path}/rotation")["state"] == "pending", "not published yet"
        stream.wait_for(5)
        zone.publish()
        zone.check()
        turned = stack.expect(200, "GET", f"{zone.path}/rotation")
        assert (turned["state"], turned["selector"]) == ("retiring", begun["other"])
        stack.wait_synced()
        stream.wait_for(10)
    assert not stream.problems, stream.problems[0]
    print(f"{len(stream.selectors)} mails, the last by {stream.selectors[-1]}")
    assert stream.selectors[0] == "quazzar"
    assert stream.selectors[-1] == begun["other"]
    # Once the new key signs, the old one does not sign any more.
    assert stream.selectors == sorted(stream.selectors, key=lambda each: each != "quazzar")
    assert zone.check()["dkim"] == "ok"


def test_a_session_from_before_a_rotation_signs_with_the_key_that_is_in_force(
    world: World, zone: Zone
) -> None:
    """The rotation before has ended the first key. The session is open while the stack gets another file."""
    with smtp_session(world.server, 587) as client:
        assert authenticate(client, world.alice.login).code == 235
        keys = world.stack.inside("postfix", "ls", "/mail-dkim/keys")
        assert f"{OURS}.quazzar" not in keys.split()
        message = mail("afterwards", sender=world.alice.address, to=world.bob.address)
        client.sendmail(world.alice.address, [world.bob.address], message)
    raw = wait_for_raw(world.server, world.bob.login, "afterwards", within=20)
    assert zone.signed_by(raw) != "quazzar"
