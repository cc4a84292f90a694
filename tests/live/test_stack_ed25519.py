"""Ed25519 beside RSA on the real stack: two signatures while it is on, one before and after; all verify by the zone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dkim
import pytest

from dnsrecords.lookup.resolver import Resolver
from tests.dnsrecords.mistakes import text
from tests.live.mailworld import World, undisturbed
from tests.rig.mailclients import authenticate, mail, parsed, smtp_session, wait_for_raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import MailStack

pytestmark = [pytest.mark.real, pytest.mark.thorough]

OURS = "twosignatures.test"
TWO = {("quazzar", "rsa-sha256"), ("quazzar-ed", "ed25519-sha256")}
ONE = {("quazzar", "rsa-sha256")}


class Zone:
    """The DKIM records that the operator has pasted so far."""

    def __init__(self, world: World) -> None:
        self.world, self.stack = world, world.stack
        self.path = f"/api/mail/domains/{world.domain['id']}/dns"

    def publish(self, *, second: bool) -> None:
        """Publish the RSA key's record and that of the Ed25519 key, then check them."""
        rows = self.stack.expect(200, "GET", self.path)["records"]
        keys = [row for row in rows if row["id"] == "dkim" or (second and row["id"].startswith("dkim_"))]
        lines = [text(row["name"], row["value"]) for row in keys]
        self.stack.nameserver.publish(OURS, lines)
        self.stack.expect(200, "POST", f"{self.path}/check")
        self.stack.wait_synced()

    def key(self, method: str = "GET", status: int = 200) -> dict[str, Any]:
        """The answer about the Ed25519 key."""
        return dict(self.stack.expect(status, method, f"{self.path}/ed25519"))

    def signed(self, raw: bytes) -> set[tuple[str, str]]:
        """(selector without its key's mark, algorithm) of each signature, which all verify by what is published."""
        published, found = Resolver([self.stack.nameserver.address]), set()

        def txt(name: bytes, timeout: int = 5) -> bytes:
            answer = published.lookup(name.decode().rstrip("."), "TXT")
            return answer.values[0].encode("latin-1") if answer.values else b""

        for index, header in enumerate(parsed(raw).get_all("DKIM-Signature") or ()):
            assert dkim.DKIM(raw).verify(idx=index, dnsfunc=txt), header
            tags = dict(each.split("=", 1) for each in "".join(header.split()).split(";") if each)
            assert tags["d"] == OURS
            found.add(("-".join(tags["s"].split("-")[:2]), tags["a"]))
        return found


@pytest.fixture(scope="module")
def world(mailstack: MailStack) -> Iterator[World]:
    found = World(mailstack, OURS)
    with undisturbed(mailstack, found.bob):
        yield found


@pytest.fixture(scope="module")
def zone(world: World) -> Zone:
    """With the RSA key's record in it."""
    found = Zone(world)
    found.publish(second=False)
    return found


@pytest.fixture
def on(zone: Zone) -> Iterator[Zone]:
    """The same with Ed25519 turned on and published."""
    if zone.key()["state"] == "off":
        zone.key("POST", 201)
    zone.publish(second=True)
    yield zone
    if zone.key()["state"] != "off":
        zone.key("DELETE")
        zone.stack.wait_synced()


def sent(world: World, subject: str, port: int = 587) -> bytes:
    """A mail of Alice's, as it arrived."""
    answer = world.submit(subject, world.bob.address, port=port)
    assert answer.accepted, answer
    return wait_for_raw(world.server, world.bob.login, subject, within=20)


def key_files(world: World) -> list[str]:
    """The names of the key files in the stack."""
    return world.stack.inside("postfix", "ls", "/mail-dkim/keys").split()


def test_while_it_is_off_there_is_one_signature(world: World, zone: Zone) -> None:
    assert zone.key()["state"] == "off"
    assert zone.signed(sent(world, "rsa alone")) == ONE


def test_before_its_record_is_published_rsa_signs_alone(world: World, zone: Zone) -> None:
    begun = zone.key("POST", 201)
    zone.publish(second=False)
    assert zone.key()["state"] == begun["state"] == "pending"
    assert zone.signed(sent(world, "not published")) == ONE
    assert f"{OURS}.{begun['selector']}" not in key_files(world)
    zone.key("DELETE")


@pytest.mark.parametrize("port", [587, 465])
def test_once_it_is_published_both_sign_and_both_verify(world: World, on: Zone, port: int) -> None:
    assert on.key()["state"] == "signing"
    assert on.signed(sent(world, f"both by {port}", port)) == TWO


def test_another_domain_is_signed_by_its_rsa_key_alone(world: World, on: Zone) -> None:
    other = World(world.stack, "onesignature.test")
    raw = sent(other, "of another domain")
    assert [(each.selector, each.valid) for each in other.signatures(raw)] == [("quazzar", True)]


def test_turned_off_rsa_signs_alone_and_the_key_is_gone(world: World, on: Zone) -> None:
    selector = on.key()["selector"]
    assert f"{OURS}.{selector}" in key_files(world)
    assert on.key("DELETE")["state"] == "off"
    world.stack.wait_synced()
    assert on.signed(sent(world, "off again")) == ONE
    assert f"{OURS}.{selector}" not in key_files(world)


def test_a_session_from_before_it_was_turned_off_is_not_refused(world: World, on: Zone) -> None:
    with smtp_session(world.server, 587) as client:
        assert authenticate(client, world.alice.login).code == 235
        message = mail("open session", sender=world.alice.address, to=world.bob.address)
        on.key("DELETE")
        world.stack.wait_synced()
        client.sendmail(world.alice.address, [world.bob.address], message)
    raw = wait_for_raw(world.server, world.bob.login, "open session", within=20)
    assert on.signed(raw) == ONE
