"""A proof through a running mail server, which signs it: delivered by itself or by a relay, red where refused."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.mailworld import World, outside, public_key
from tests.live.test_stack_journeys import dead
from tests.quazzar.nodes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import MailStack
    from tests.rig.images import Images
    from tests.rig.standins import Sink

pytestmark = [pytest.mark.real, pytest.mark.thorough]

OURS, THEIRS, RELAY = "proofs.test", "far.proofs.example", "smtp.proofs.example"
#: Where the world sees the mail come from: the network of the containers is hidden from it.
IP = "203.0.113.77"
#: The sweep comes every 20 seconds, and the machine is shared.
SOON = 150
PROOFS = "/api/mail/proofs"


@pytest.fixture(scope="module")
def world(mailstack: MailStack) -> World:
    return World(mailstack, OURS)


@pytest.fixture(scope="module")
def sink(world: World, stack_images: Images) -> Iterator[Sink]:
    """The recipient's server, and a relay."""
    with outside(world.stack, stack_images, [THEIRS, RELAY]) as found:
        yield found


def publish(world: World, **changed: str) -> None:
    """What is right in DNS for our domain, with some of it replaced."""
    records = {
        "spf": f'@ TXT "v=spf1 ip4:{IP} -all"',
        "dkim": dkim_record(world),
        "dmarc": '_dmarc TXT "v=DMARC1; p=quarantine"',
        "host": f"mail A {IP}",
    }
    world.stack.nameserver.publish(OURS, [line for line in {**records, **changed}.values() if line])
    world.stack.nameserver.publish("113.0.203.in-addr.arpa", [f"77 PTR mail.{OURS}."])


def dkim_record(world: World) -> str:
    """Strings of at most 255 characters, as DNS wants them."""
    key = public_key(world.stack, OURS)
    return f'quazzar._domainkey TXT "v=DKIM1; k=rsa; p={key[:200]}" "{key[200:]}"'


def start(world: World, to: str, **fields: object) -> dict[str, Any]:
    """A proof through the mail server."""
    body = {"way": "server", "from_address": f"bounces@{OURS}", "to": to, **fields}
    return dict(world.stack.expect(201, "POST", PROOFS, body))


def ended(world: World, proof: dict[str, Any]) -> dict[str, Any]:
    """The proof when it has ended."""
    found: dict[str, Any] = {}

    def over() -> bool:
        found.update(world.stack.expect(200, "GET", f"{PROOFS}/{proof['id']}"))
        return found["state"] not in ("sending", "underway", "arrived")

    wait_until(over, f"proof {proof['id']} ends", SOON)
    return found


def header(sink: Sink, number: int) -> str:
    """The header as the recipient's server would have it: with the line that it writes itself."""
    mail = sink.wait_for(number, SOON)[-1]
    tls = "ESMTPS" if mail.encrypted else "ESMTP"
    now = format_datetime(datetime.now(UTC))
    received = f"Received: from {mail.helo} ([{IP}]) by {THEIRS} with {tls} id 1; {now}"
    trace = f"Return-Path: <{mail.sender}>\r\n{received}\r\n"
    return trace + mail.content.partition(b"\r\n\r\n")[0].decode()


def red(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (station["key"], check["key"])
        for station in found["stations"]
        for check in station["checks"]
        if check["mark"] == "bad"
    ]


def marks(found: dict[str, Any]) -> dict[str, str]:
    return {check["key"]: check["mark"] for station in found["stations"] for check in station["checks"]}


def judged(world: World, sink: Sink) -> dict[str, Any]:
    """A proof whose header comes back from the recipient."""
    sink.clear()
    proof = start(world, f"anna@{THEIRS}")
    text = header(sink, 1)
    world.stack.expect(200, "POST", f"{PROOFS}/{proof['id']}/headers", {"headers": text})
    return ended(world, proof)


def test_the_mail_server_s_own_signature_proves_the_sender(world: World, sink: Sink) -> None:
    publish(world)
    found = judged(world, sink)
    known = marks(found)
    assert [known[key] for key in ("spf", "dkim", "alignment", "dmarc", "clock")] == ["ok"] * 5, found
    # The stand-in outside offers no encryption.
    assert red(found) == [("door", "tls")]


def test_a_key_that_is_not_published_is_red(world: World, sink: Sink) -> None:
    publish(world, dkim="")
    found = judged(world, sink)
    assert ("identity", "dkim") in red(found)
    assert f"quazzar._domainkey.{OURS} does not exist" in str(found["stations"])


def test_a_port_that_is_shut_ends_it_at_the_mail_server(world: World, stack_images: Images) -> None:
    with dead(world, stack_images) as host:
        found = ended(world, start(world, f"anna@{host}"))
    assert (found["state"], red(found)) == ("failed", [("sender", "port25")])
    assert f"cannot reach port 25 of {host}: connection refused" in found["sentence"]


def test_a_server_that_refuses_because_of_a_blocklist_is_red_at_its_door(world: World, sink: Sink) -> None:
    sink.answer(f"RCPT listed@{THEIRS}", "554 5.7.1 Client host blocked using zen.spamhaus.org")
    found = ended(world, start(world, f"listed@{THEIRS}"))
    assert (found["state"], red(found)) == ("failed", [("door", "blocklists")])


def test_a_relay_behind_the_mail_server_that_refuses_the_sender_is_red(world: World, sink: Sink) -> None:
    relay = {
        "provider": "custom",
        "host": RELAY,
        "port": 25,
        "security": "none",
        "from_address": f"node@{OURS}",
    }
    sink.answer("MAIL", "550 5.7.1 Sender not verified")
    world.stack.expect(200, "PUT", "/api/mail/relay", relay)
    world.stack.expect(200, "PATCH", "/api/mail/stack", {"send_through_relay": True})
    try:
        world.stack.wait_synced()
        found = ended(world, start(world, "anna@elsewhere.example"))
        assert found["through_relay"]
        assert (found["state"], red(found)) == ("failed", [("sender", "sender")])
        assert "The relay refused the sender" in found["sentence"]
    finally:
        sink.answer("MAIL", None)
        world.stack.expect(200, "PATCH", "/api/mail/stack", {"send_through_relay": False})
        world.stack.expect(204, "DELETE", "/api/mail/relay")
        world.stack.wait_synced()


def test_a_proof_to_quazzar_s_own_mailbox_comes_back_by_imap(world: World) -> None:
    publish(world)
    rows = world.stack.expect(200, "GET", "/api/mail/inboxes")["results"]
    inbox = next(row["id"] for row in rows if row["owned"])
    proof = world.stack.expect(
        201, "POST", PROOFS, {"way": "server", "from_address": f"bounces@{OURS}", "inbox": inbox}
    )
    found = ended(world, proof)
    assert (found["state"], found["found"], red(found)) == ("proven", "inbox", []), found
    assert [station["key"] for station in found["stations"]] == ["node", "sender", "identity", "mailbox"]
    known = marks(found)
    assert (known["dkim"], known["alignment"], known["dmarc"]) == ("ok", "ok", "ok")
