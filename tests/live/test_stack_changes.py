"""Changes of a running stack: each is in force within seconds, and nobody else notices any of them."""

from __future__ import annotations

import imaplib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.live.mailworld import STRANGER, World, undisturbed
from tests.live.watching import LoginWatch
from tests.quazzar.nodes import wait_until
from tests.rig.mailclients import (
    GTUBES,
    Answer,
    Login,
    deliver,
    imap_login,
    imap_session,
    mail,
    messages,
    raw_messages,
    smtp_login,
    smtp_session,
    wait_for_message,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import Box, MailStack

pytestmark = pytest.mark.real

OURS = "changes.test"
#: Seconds within which a change must be in force.
SOON = 60.0


@pytest.fixture(scope="module")
def world(mailstack: MailStack) -> Iterator[World]:
    found = World(mailstack, OURS)
    with undisturbed(mailstack, found.bob), LoginWatch(mailstack, found.bob.login):
        yield found


def new(world: World, local_part: str, **fields: object) -> Box:
    """A mailbox that can log in. The stack has it before that is tried: each login that fails costs two seconds."""
    box = world.stack.add_mailbox(world.domain, local_part, **fields)  # type: ignore[arg-type]
    wait_until(lambda: world.stack.expect(200, "GET", box.path)["synced"], f"the stack has {local_part}", 20)
    box.wait_login(SOON)
    return box


def asked(world: World, recipient: str, size: int = 0) -> tuple[int, bytes]:
    """The reply of port 25 to this recipient; nothing is sent."""
    with smtp_session(world.server) as client:
        client.mail(STRANGER, [f"SIZE={size}"] if size else [])
        return client.rcpt(recipient)


def wait_asked(world: World, recipient: str, code: int) -> None:
    wait_until(lambda: asked(world, recipient)[0] == code, f"{recipient} is answered with {code}", SOON)


# --- 7: passwords ------------------------------------------------------------------------------------------
@pytest.mark.thorough
def test_six_new_passwords_in_a_row_each_replace_the_one_before(world: World) -> None:
    """Several within one second, all of the same length: neither size nor time tells their files apart."""
    box = new(world, "quick")
    with ThreadPoolExecutor() as others:
        refused = []
        for number in range(6):
            old = box.login
            box.change(password=f"quick-word-{number}")
            wait_until(lambda: world.stack.expect(200, "GET", box.path)["synced"], "the stack has it", SOON)
            wait_until(lambda: imap_login(world.server, box.login), "the new one works", SOON)
            wait_until(lambda: smtp_login(world.server, box.login).code == 235, "it sends too", SOON)
            refused.append(others.submit(wait_refused, world, old))
        for each in refused:
            each.result()


def wait_refused(world: World, login: Login) -> None:
    wait_until(lambda: not imap_login(world.server, login), "the old one is refused", SOON)
    for port in (587, 465):
        assert smtp_login(world.server, login, port).code == 535


def test_of_six_at_once_the_last_one_is_left(world: World) -> None:
    box = new(world, "hasty")
    for number in range(6):
        box.change(password=f"hasty-word-{number}")
    wait_until(lambda: imap_login(world.server, box.login), "the last one works", SOON)
    with ThreadPoolExecutor() as all_at_once:
        olds = [Login(box.address, f"hasty-word-{number}") for number in range(5)]
        # The new one works at once; what Dovecot has read of the users file counts for up to a second.
        wait_until(
            lambda: not any(all_at_once.map(lambda old: imap_login(world.server, old), olds)),
            "all others are refused",
            SOON,
        )


def test_without_a_password_nobody_logs_in_any_more(world: World) -> None:
    box = new(world, "locked")
    world.stack.expect(200, "PATCH", box.path, {"password": None})
    wait_until(lambda: not imap_login(world.server, box.login), "it is locked", SOON)
    assert smtp_login(world.server, box.login).code == 535
    assert asked(world, box.address)[0] == 250


# --- 8: a mailbox's life -----------------------------------------------------------------------------------
def test_another_password_ends_the_open_sessions_of_that_mailbox_alone(world: World) -> None:
    box, other = (
        world.stack.add_mailbox(world.domain, "changing"),
        world.stack.add_mailbox(world.domain, "same"),
    )
    world.stack.wait_synced()
    other.wait_login()
    with (
        imap_session(world.server, box.login) as first,
        imap_session(world.server, box.login) as second,
        imap_session(world.server, other.login) as others,
    ):
        box.change(quota_mb=7)
        world.stack.wait_synced()
        assert first.noop()[0] == second.noop()[0] == "OK"
        box.change(password="another-long-password")
        wait_until(lambda: ended(first) and ended(second), "its sessions are over", 10)
        assert others.noop()[0] == "OK"
    assert imap_login(world.server, box.login)


def test_disabling_ends_open_sessions_for_good(world: World) -> None:
    box = new(world, "suspended")
    with imap_session(world.server, box.login) as session:
        box.change(enabled=False)
        wait_until(lambda: ended(session), "its session is over", SOON)
    # As mail programs do: at once, again.
    assert not imap_login(world.server, box.login)
    assert smtp_login(world.server, box.login).code == 535
    assert deliver(world.server, mail("while disabled"), box.address).accepted
    box.change(enabled=True)
    box.wait_login(SOON)
    assert wait_for_message(world.server, box.login, "while disabled")


def ended(session: imaplib.IMAP4) -> bool:
    """Whether the server has closed it."""
    try:
        return session.noop()[0] != "OK"
    except (imaplib.IMAP4.error, OSError):
        return True


def test_deleting_ends_sessions_for_good_and_the_address_does_nothing_any_more(world: World) -> None:
    box = new(world, "leaver")
    alias = world.stack.add_alias(world.domain, "leavers-alias", box.address)["address"]
    wait_asked(world, alias, 250)
    with imap_session(world.server, box.login) as session:
        box.delete()
        wait_until(lambda: ended(session), "its session is over", SOON)
    assert not imap_login(world.server, box.login)
    assert smtp_login(world.server, box.login).code == 535
    wait_asked(world, box.address, 550)


def test_the_old_mail_of_an_address_made_again_comes_back_to_nobody_else(world: World) -> None:
    first = new(world, "twice")
    assert deliver(world.server, mail("the first one's"), first.address).accepted
    wait_for_message(world.server, first.login, "the first one's")
    first.delete()
    wait_asked(world, first.address, 550)
    second = new(world, "twice")
    assert messages(world.server, second.login) == []
    assert deliver(world.server, mail("the second one's"), second.address).accepted
    wait_for_message(world.server, second.login, "the second one's")
    world.stack.expect(409, "POST", f"{first.path}/restore")
    second.delete()
    wait_asked(world, second.address, 550)
    world.stack.expect(200, "POST", f"{first.path}/restore")
    first.wait_login(SOON)
    assert [each["Subject"] for each in messages(world.server, first.login)] == ["the first one's"]


def test_a_mailbox_that_only_sends_refuses_mail(world: World) -> None:
    box = new(world, "deaf")
    box.change(can_receive=False)
    wait_asked(world, box.address, 550)
    assert imap_login(world.server, box.login)
    box.change(can_receive=True)
    wait_asked(world, box.address, 250)


# --- aliases and domains -----------------------------------------------------------------------------------
def test_an_alias_is_there_changed_and_gone_at_once(world: World) -> None:
    alias = world.stack.add_alias(world.domain, "moving", world.alice.address)
    path = f"/api/mail/aliases/{alias['id']}"
    wait_asked(world, alias["address"], 250)
    world.stack.expect(200, "PATCH", path, {"destinations": [world.bob.address]})
    world.stack.wait_synced()
    assert deliver(world.server, mail("to where it leads now"), alias["address"]).accepted
    assert wait_for_message(world.server, world.bob.login, "to where it leads now")
    world.stack.expect(200, "PATCH", path, {"enabled": False})
    wait_asked(world, alias["address"], 550)
    world.stack.expect(200, "PATCH", path, {"enabled": True})
    wait_asked(world, alias["address"], 250)
    world.stack.expect(204, "DELETE", path)
    wait_asked(world, alias["address"], 550)


def test_a_domain_is_there_catches_all_and_is_gone_at_once(world: World) -> None:
    domain = world.stack.add_domain("passing.test")
    path = f"/api/mail/domains/{domain['id']}"
    wait_asked(world, "whoever@passing.test", 550)
    world.stack.expect(200, "PATCH", path, {"catch_all": world.alice.address})
    wait_asked(world, "whoever@passing.test", 250)
    world.stack.expect(200, "PATCH", path, {"catch_all": None})
    wait_asked(world, "whoever@passing.test", 550)
    world.stack.expect(204, "DELETE", path)
    wait_asked(world, "whoever@passing.test", 554)


# --- quota and spam ----------------------------------------------------------------------------------------
def test_a_full_mailbox_refuses_with_the_code_for_full(world: World) -> None:
    box = new(world, "small", quota_mb=1)
    # Whoever Dovecot has not yet read of in the users file is full only for LMTP.
    wait_until(lambda: asked(world, box.address, 2_000_000)[0] == 552, "it has no room for that", SOON)
    words = f"5.2.2 <{box.address}>: Recipient address rejected: Mailbox is full"
    assert asked(world, box.address, 2_000_000) == (552, words.encode())
    box.change(quota_mb=3)
    wait_until(lambda: asked(world, box.address, 2_000_000)[0] == 250, "there is room now", SOON)
    box.change(quota_mb=1)
    wait_until(lambda: asked(world, box.address, 2_000_000)[0] == 552, "there is none again", SOON)


def test_mail_that_came_by_an_alias_waits_for_room_and_does_not_bounce(world: World) -> None:
    box = new(world, "stuffed", quota_mb=1)
    alias = world.stack.add_alias(world.domain, "to-stuffed", box.address)["address"]
    world.stack.wait_synced()
    big = mail("too big", sender=world.alice.address, body=("y" * 70 + "\n") * 16_000)
    assert deliver(
        world.server, big, alias, sender=world.alice.address, port=587, login=world.alice.login
    ).accepted
    wait_until(lambda: "Quota exceeded" in queue(world), "it waits in the queue", 20)
    assert raw_messages(world.server, box.login) == []
    box.change(quota_mb=20)
    world.stack.wait_synced()
    # Dovecot looks at its users once a second: the first flush may still meet the old quota.
    flushed(world, box)
    assert wait_for_message(world.server, box.login, "too big")
    assert not [
        each for each in messages(world.server, world.alice.login) if "Undelivered" in each["Subject"]
    ]


def flushed(world: World, box: Box) -> None:
    """The queue is tried again until the mailbox has its mail."""

    def arrived() -> bool:
        world.stack.inside("postfix", "postqueue", "-f")
        time.sleep(1)
        return bool(raw_messages(world.server, box.login))

    wait_until(arrived, "what waited is delivered", 20)


def queue(world: World) -> str:
    return world.stack.inside("postfix", "postqueue", "-p")


@pytest.mark.parametrize("login", [False, True])
def test_the_test_string_of_spam_is_refused(world: World, login: bool) -> None:
    answer = with_test_string(world, GTUBES[0], login=login)
    assert (answer.stage, answer.code) == ("data", 554), answer


@pytest.mark.parametrize("login", [False, True])
def test_a_test_string_that_stands_for_less_is_ordinary_text(world: World, login: bool) -> None:
    """Each of them ended the scan: mail with it passed every rule."""
    for test_string in GTUBES[1:]:
        assert with_test_string(world, test_string, login=login).accepted


def with_test_string(world: World, test_string: str, *, login: bool) -> Answer:
    sender, port = (world.alice.address, 587) if login else (STRANGER, 25)
    return deliver(
        world.server,
        mail("spam", sender=sender, body=test_string),
        world.bob.address,
        sender=sender,
        port=port,
        login=world.alice.login if login else None,
    )
