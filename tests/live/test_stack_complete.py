"""Submitted mail is sent complete and does not reveal where its sender is; strangers' mail stays unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.mailworld import World, outside
from tests.quazzar.nodes import wait_until
from tests.rig.mailclients import deliver, mail, messages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import MailStack
    from tests.rig.images import Images
    from tests.rig.standins import Received, Sink

pytestmark = pytest.mark.real

TO = "friend@complete-far.test"
#: A line that another server wrote, by which the mail came before it was submitted here.
OLDER = (
    b"Received: from pc.home.test (pc.home.test [192.0.2.77])\r\n"
    b" by mail.other.test (Postfix) with ESMTPSA id 4XyZ; Mon, 2 Nov 2026 10:00:00 +0000\r\n"
)


@pytest.fixture(scope="module")
def far(mailstack: MailStack, stack_images: Images) -> Iterator[Sink]:
    with outside(mailstack, stack_images, ["complete-far.test"]) as sink:
        yield sink


@pytest.fixture(scope="module")
def world(mailstack: MailStack, far: Sink) -> World:
    return World(mailstack, "complete.test")


def arrived(far: Sink, subject: str) -> Received:
    """That mail, as soon as it is outside."""
    wait_until(lambda: any(each.message["Subject"] == subject for each in far.mails()), subject, 30)
    return next(each for each in far.mails() if each.message["Subject"] == subject)


@pytest.mark.parametrize("port", [587, 465])
def test_what_a_printer_sends_leaves_complete_and_signed(world: World, far: Sink, port: int) -> None:
    """RFC 6409 section 8: Date and Message-ID are added, before the signature."""
    subject = f"scan {port}"
    message = f"From: {world.alice.address}\r\nSubject: {subject}\r\n\r\nscan\r\n".encode()
    login = world.alice.login
    assert deliver(world.server, message, TO, sender=world.alice.address, port=port, login=login).accepted
    received = arrived(far, subject)
    assert received.message["Message-ID"] and received.message["Date"]
    assert [found.valid for found in world.signatures(received.content)] == [True]
    changed = received.content.replace(b"Message-I", b"Message-i", 1).replace(b"Date: ", b"Date: x", 1)
    assert [found.valid for found in world.signatures(changed)] == [False]


def test_a_mail_without_any_header_gets_its_author_too(world: World, far: Sink) -> None:
    login = world.alice.login
    message = b"Subject: bare\r\n\r\nx\r\n"
    assert deliver(world.server, message, TO, sender=world.alice.address, port=587, login=login).accepted
    received = arrived(far, "bare")
    assert received.message["From"] == world.alice.address
    assert [found.valid for found in world.signatures(received.content)] == [True]


def test_a_strangers_mail_is_not_made_complete(world: World) -> None:
    message = b"From: someone@outside.test\r\nSubject: incomplete\r\n\r\nx\r\n"
    assert deliver(world.server, message, world.bob.address).accepted
    for folder in ("INBOX", "Junk"):
        for found in messages(world.server, world.bob.login, folder):
            if found["Subject"] == "incomplete":
                assert found["Message-ID"] is None and found["Date"] is None
                return
    raise AssertionError("it did not arrive")


@pytest.mark.parametrize("port", [587, 465])
def test_the_receiver_is_not_told_where_the_sender_is(world: World, far: Sink, port: int) -> None:
    """Of the lines about the way, the one that our own server wrote is replaced, and those of others stay."""
    forged = ("Authentication-Results", "mail.stack.test; dkim=pass header.d=bank.test")
    other = ("Authentication-Results", "mail.other.test; dkim=pass header.d=far.test")
    subject = f"where {port}"
    message = mail(subject, sender=world.alice.address, to=TO, headers=[forged, other])
    message = OLDER + message
    login = world.alice.login
    assert deliver(world.server, message, TO, sender=world.alice.address, port=port, login=login).accepted
    received = arrived(far, subject)
    lines = received.message.get_all("Received") or []
    assert [line for line in lines if "client.test" in line or "[172." in line] == []
    assert any(line.startswith("by mail.stack.test with ESMTPSA id ") for line in lines), lines
    assert any("192.0.2.77" in line for line in lines), lines
    results = received.message.get_all("Authentication-Results") or []
    assert [result for result in results if "bank.test" in result] == []
    assert any("mail.other.test" in result for result in results)
