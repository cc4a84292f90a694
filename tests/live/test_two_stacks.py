"""Two stacks and two foreign mail servers, each other's outside world: what becomes of a mail is told right.

Whether the API, cron or a mail client sent it. Each kind of mail goes out once from each of them.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

import docker
import pytest

from tests.live.internet import Abroad, Internet, stack
from tests.live.mailstack import Box, MailStack
from tests.quazzar.nodes import ROOT, wait_until
from tests.rig import or_skip
from tests.rig.ca import CertificateAuthority
from tests.rig.images import Images
from tests.rig.mailclients import deliver, mail

pytestmark = [pytest.mark.real, pytest.mark.thorough]

#: Seconds in which the state must be right, once the other server has answered.
SOON = 60
LINE = "0123456789012345678901234567890123456789012345678901234567\n"
#: Longer than what is left in a full mailbox.
TEXT = LINE * 200
#: Whether journey and message are as they should be.
Right = Callable[[dict[str, Any], dict[str, Any]], bool]
SENDERS = ("api", "cron", "client")
#: Each of them sends a mail to each of these, with its own +tag: nobody+api@beta.test.
PLACES = (
    "nobody@beta.test", "full@beta.test", "friend@grey.test", "nobody@late.test", "nobody@exim.test", "full@exim.test",
    "lost@forward.test", "moved@forward.test", "moved@exim.test",
)  # fmt: skip


@dataclass
class World:
    """Our node, and everybody else.

    Attributes:
        ours: the stack whose console is asked.
        theirs: another stack of ours; its console has ended.
        node: what the node sends from. Its bounces go to Quazzar's own mailbox.
    """

    ours: MailStack
    theirs: MailStack
    exim: Abroad
    postfix: Abroad
    node: Box
    alice: Box

    def send(self, by: str, to: str) -> None:
        """One mail; its subject says who sent it to whom."""
        subject = f"{by} to {to}"
        if by == "api":
            self.ours.send(to, subject=subject, text=TEXT)
        elif by == "cron":
            program = [str(ROOT / "bin" / "quazzar-sendmail"), "-FCronDaemon", "-i", "-B8BITMIME", "-oem", to]
            text = f"From: root (Cron Daemon)\nTo: {to}\nSubject: {subject}\n\n{TEXT}".encode()
            subprocess.run(program, input=text, env={**os.environ, **self.ours.env}, check=True, timeout=60)
        else:
            raw = mail(subject, sender=self.alice.address, to=to, body=TEXT)
            answer = deliver(
                self.ours.server, raw, to, sender=self.alice.address, port=587, login=self.alice.login
            )
            assert answer.accepted, answer

    def message(self, by: str, to: str) -> dict[str, Any]:
        """The relay's message; empty for a mail client's."""
        if by == "client":
            return {}
        found = self.ours.expect(200, "GET", f"/api/mail/messages?search={to.replace('+', '%2B')}")["results"]
        (row,) = [one for one in found if one["subject"] == f"{by} to {to}"]
        return self.ours.message(row["id"])

    def journey(self, by: str, to: str) -> dict[str, Any]:
        """The journey of the mail itself, with its steps; empty before there is one."""
        message = self.message(by, to)
        text = message["message_id"].strip("<>") if message else to
        rows = self.ours.expect(200, "GET", f"/api/mail/journeys?q={text.replace('+', '%2B')}")["results"]
        own = [row for row in rows if row["sender"] != "" and row["id"]]
        return dict(self.ours.expect(200, "GET", f"/api/mail/journeys/{own[-1]['id']}")) if own else {}

    def wait(self, by: str, to: str, right: Right) -> None:
        """Wait until the journey and the message are right."""

        def there() -> bool:
            journey = self.journey(by, to)
            return bool(journey) and right(journey, self.message(by, to))

        try:
            wait_until(there, f"the mail of {by} to {to} is told right", SOON)
        except AssertionError as exc:
            raise AssertionError(
                f"{exc}\n{self.journey(by, to)}\n{self.message(by, to)}\n{self.ours.node.text[-3000:]}"
            ) from exc


@pytest.fixture(scope="module")
def world(
    docker_client: docker.DockerClient, stack_images: Images, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("two")
    with or_skip(Internet) as internet, ExitStack() as until_end:
        for image in vars(stack_images).values():
            if "init" not in image and "sink" not in image:
                internet.copy_image(docker_client, image)
        client = until_end.enter_context(closing(internet.client()))
        exim = Abroad(internet, client, stack_images.abroad_exim, 2501, "mx.exim.test", "exim.test")
        postfix = Abroad(internet, client, stack_images.abroad_postfix, 2502, "mx.late.test",
                         "late.test", "grey.test", "forward.test")  # fmt: skip
        until_end.enter_context(exim)
        until_end.enter_context(postfix)
        authority = CertificateAuthority(directory / "authority")
        trust: dict[str, Any] = {"SSL_CERT_FILE": str(authority.ca_file)}
        ours = until_end.enter_context(stack(internet, directory / "ours", stack_images, "alpha", **trust))
        theirs = until_end.enter_context(
            stack(internet, directory / "theirs", stack_images, "beta", beside=ours)
        )
        pair = authority.issue(["mail.alpha.test", internet.address])
        ours.expect(200, "PUT", "/api/mail/stack/certificate",
                    {"certificate": pair.cert_file.read_text(), "key": pair.key_file.read_text()})  # fmt: skip
        domain, other = ours.add_domain("alpha.test"), theirs.add_domain("beta.test")
        node, alice = ours.add_mailbox(domain, "node"), ours.add_mailbox(domain, "alice")
        theirs.add_mailbox(other, "bob")
        full = theirs.add_mailbox(other, "full", quota_mb=1)
        for one in (ours, theirs):
            one.wait_synced()
        node.wait_login()
        fill(theirs, full)
        # From now on it is only a mail server somewhere.
        theirs.stop()
        # The relay of the node is its own mail server.
        ours.use_relay(ours.server.port(587), host=internet.address, security="starttls", username=node.address,
                       password=node.password, from_address=node.address, bounce_address="bounces@alpha.test",
                       alert_recipients=[alice.address], backup_recipients=[])  # fmt: skip
        ours.wait_synced()
        world = World(ours, theirs, exim, postfix, node, alice)
        for by in SENDERS:
            for place in PLACES:
                world.send(by, tagged(place, by))
        yield world


def fill(stack: MailStack, box: Box) -> None:
    """Until there is no room for another mail of a hundred lines."""
    accepted = 0
    for lines in (6000, 1000, 100):
        body = LINE * lines
        while (
            answer := deliver(stack.server, mail("fills", to=box.address, body=body), box.address)
        ).accepted:
            accepted += 1
        assert answer.code == 552, answer
    assert accepted


def tagged(place: str, by: str) -> str:
    """The address with the sender as its +tag."""
    local, _, domain = place.partition("@")
    return f"{local}+{by}@{domain}"


def outcome(message: dict[str, Any], to: str) -> dict[str, Any]:
    """What is known of the message for this recipient, the gravest."""
    found = [one for one in message.get("feedback", ()) if one["recipient"] == to]
    return next((one for one in found if one["kind"] == "bounced"), found[-1] if found else {})


def bounced(to: str, *, hard: bool, status: str = "") -> Right:
    """The journey says so; and so does the relay's message, if it is one."""

    def right(journey: dict[str, Any], message: dict[str, Any]) -> bool:
        if journey["state"] != "bounced" or journey["outcomes"].get(to) != "bounced":
            return False
        known = outcome(message, to)
        same = (known.get("kind"), known.get("hard")) == ("bounced", hard)
        return not message or (same and known["status"] == (status or known["status"]))

    return right


def suppressed(world: World, to: str) -> bool:
    rows = world.ours.expect(200, "GET", "/api/mail/suppressions")["results"]
    return to in {row["address"] for row in rows}


@pytest.mark.parametrize("by", SENDERS)
def test_to_an_unknown_user(world: World, by: str) -> None:
    to = tagged("nobody@beta.test", by)
    world.wait(by, to, bounced(to, hard=True, status="5.1.1"))
    assert suppressed(world, to) == (by != "client")


@pytest.mark.parametrize("by", SENDERS)
def test_to_a_full_mailbox(world: World, by: str) -> None:
    to = tagged("full@beta.test", by)
    world.wait(by, to, bounced(to, hard=False, status="5.2.2"))
    assert not suppressed(world, to)


@pytest.mark.parametrize("by", SENDERS)
def test_to_a_server_that_greylists(world: World, by: str) -> None:
    to = tagged("friend@grey.test", by)
    world.wait(
        by, to, lambda journey, _: journey["state"] == "waiting" and "reylisted" in str(journey["steps"])
    )
    (queue_id,) = world.journey(by, to)["queue_ids"]

    def tried_again() -> bool:
        world.ours.call("POST", "/api/mail/stack/queue/retry", {"id": queue_id})
        return bool(world.journey(by, to)["state"] == "delivered")

    wait_until(tried_again, "delivered at the next attempt", 120)
    kinds = [step["kind"] for step in world.journey(by, to)["steps"]]
    assert kinds.index("deferred") < kinds.index("delivered")
    assert not outcome(world.message(by, to), to)


@pytest.mark.parametrize("by", SENDERS)
def test_to_a_postfix_that_accepts_and_bounces_later(world: World, by: str) -> None:
    to = tagged("nobody@late.test", by)
    world.postfix.wait_said(to, "status=bounced")
    world.wait(by, to, bounced(to, hard=True, status="5.1.1"))
    assert suppressed(world, to) == (by != "client")


@pytest.mark.parametrize("by", SENDERS)
def test_to_an_exim_that_accepts_and_bounces_later(world: World, by: str) -> None:
    to = tagged("nobody@exim.test", by)
    world.exim.wait_said("**", to)
    world.wait(by, to, bounced(to, hard=True, status="5.0.0"))
    assert suppressed(world, to) == (by != "client")


@pytest.mark.parametrize("by", SENDERS)
def test_to_an_exim_that_finds_the_mailbox_full(world: World, by: str) -> None:
    to = tagged("full@exim.test", by)
    world.exim.wait_said("**", to)
    world.wait(by, to, bounced(to, hard=False))
    assert not suppressed(world, to)


@pytest.mark.parametrize("by", SENDERS)
def test_to_a_forwarder_that_reaches_nobody(world: World, by: str) -> None:
    to = tagged("lost@forward.test", by)
    world.postfix.wait_said("orig_to=<" + to, "status=bounced")
    world.wait(by, to, bounced(to, hard=True, status="5.1.1"))
    assert suppressed(world, to) == (by != "client")


@pytest.mark.parametrize("by", SENDERS)
def test_to_a_forwarder_that_reaches_somebody(world: World, by: str) -> None:
    to = tagged("moved@forward.test", by)
    world.postfix.wait_said("orig_to=<" + to, "status=sent")
    world.wait(by, to, lambda journey, _: journey["state"] == "delivered")
    assert not outcome(world.message(by, to), to)


@pytest.mark.parametrize("by", SENDERS)
def test_to_an_exim_that_forwards_to_a_full_mailbox(world: World, by: str) -> None:
    to = tagged("moved@exim.test", by)
    world.exim.wait_said("**", to)
    world.wait(by, to, bounced(to, hard=False, status="5.2.2"))
    assert not suppressed(world, to)
