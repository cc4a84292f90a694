"""Who may sign for whom: the login decides, and what cannot be signed does not leave."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.live.mailworld import World
from tests.rig.mailclients import Answer, deliver, mail, wait_for_raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import Box, MailStack

pytestmark = pytest.mark.real

OURS = "signing.test"


@pytest.fixture(scope="module")
def world(mailstack: MailStack) -> World:
    return World(mailstack, OURS)


def submit(world: World, subject: str, *headers: tuple[str, str], sender: str = "") -> Answer:
    """Alice sends Bob a mail with these headers beside her own address in From:."""
    sender = sender or world.alice.address
    message = mail(subject, sender=sender, to=world.bob.address, headers=headers)
    return deliver(world.server, message, world.bob.address, sender=sender, port=587, login=world.alice.login)


# --- what the headers may say ------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["Sender", "Resent-From", "Resent-Sender"])
def test_a_header_that_names_another_sender_is_refused_and_named(world: World, name: str) -> None:
    for value, named in {
        world.bob.address: world.bob.address,
        f"Bob <{world.bob.address}>": world.bob.address,
        f"{world.alice.address}, {world.bob.address}": world.bob.address,
        f'"{world.bob.address}" <{world.alice.address}>': world.bob.address,
        f"{world.alice.address} ({world.bob.address})": world.bob.address,
        "=?utf-8?q?boss=40bank=2Eexample?= <alice@signing.test>": "boss@bank.example",
        "o'boss/x=1@bank.example": "o'boss/x=1@bank.example",
        "nobody": world.alice.address,
        # Local parts in quotes (RFC 5322 §3.4.1), alone and beside the sender's own address; an address literal.
        '"boss"@bank.example': 'boss"@bank.example',
        f'"boss"@bank.example, {world.alice.address}': 'boss"@bank.example',
        f'"a boss"@bank.example <{world.alice.address}>': 'boss"@bank.example',
        f"boss@[192.0.2.1] {world.alice.address}": "boss@[192.0.2.1",
    }.items():
        answer = submit(world, "forged", (name, value))
        assert (answer.code, f"The {name}: header" in answer.text) == (554, True), (value, answer)
        assert named in answer.text, (value, answer)


def test_the_refusal_of_a_from_header_says_which_address_is_wrong(world: World) -> None:
    for value in (world.bob.address, f"{world.alice.address} ({world.bob.address})"):
        message = mail("forged", sender=value, to=world.bob.address)
        answer = deliver(
            world.server,
            message,
            world.bob.address,
            sender=world.alice.address,
            port=465,
            login=world.alice.login,
        )
        assert answer.code == 554
        expected = (
            f"The From: header names {world.bob.address}, but the mail is sent from {world.alice.address}"
        )
        assert expected in answer.text


def test_a_sender_of_ones_own_is_taken(world: World) -> None:
    """Some programs name the mailbox as the agent where an alias is the author (RFC 5322 section 3.6.2)."""
    assert submit(world, "own", ("Sender", f"Alice <{world.alice.address}>")).accepted
    assert submit(world, "by alias", ("Sender", world.alice.address), sender=world.alias).accepted
    resent = [("Resent-From", world.alice.address), ("Resent-Sender", world.alice.address)]
    assert submit(world, "resent", *resent).accepted


def test_the_nodes_own_relay_login_may_have_bounces_at_quazzar_s_mailbox(world: World) -> None:
    """Nobody else may, and its mail must still be from its own address."""
    stack, (alice, bob) = world.stack, (world.alice, world.bob)
    sender = world.at("bounces+aaaa")

    def send(box: Box, author: str) -> Answer:
        raw = mail(f"from {author} by {box.address}", sender=author, to=bob.address)
        return deliver(world.server, raw, bob.address, sender=sender, port=587, login=box.login)

    assert send(alice, alice.address).code == 553
    stack.use_relay(stack.server.port(587), username=alice.address, password=alice.password, security="starttls",
                    from_address=alice.address, bounce_address=world.at("bounces"))  # fmt: skip
    try:
        stack.wait_synced()
        assert send(alice, alice.address).accepted
        raw = wait_for_raw(world.server, bob.login, f"from {alice.address} by {alice.address}")
        assert f"Return-Path: <{sender}>".encode() in raw
        assert [found.valid for found in world.signatures(raw)] == [True]
        refused = send(alice, bob.address)
        assert (refused.code, "The From: header names" in refused.text) == (554, True), refused
        assert send(bob, bob.address).code == 553
    finally:
        stack.expect(204, "DELETE", "/api/mail/relay")
    stack.wait_synced()
    assert send(alice, alice.address).code == 553


# --- what cannot be signed ---------------------------------------------------------------------------------
@contextlib.contextmanager
def damaged(world: World, command: str) -> Iterator[None]:
    """The volume with the keys after this command, until it is put back."""
    shell = ("bash", "-c")
    world.stack.inside("postfix", *shell, f"cp -a /mail-dkim /tmp/kept && cd /mail-dkim && {command}")
    try:
        yield
    finally:
        world.stack.inside("postfix", *shell, "cp -a /tmp/kept/. /mail-dkim/ && rm -r /tmp/kept")


@pytest.mark.parametrize(
    "command",
    [
        f"rm domains/{OURS}",
        f"rm keys/{OURS}.quazzar",
        f"truncate -s 100 keys/{OURS}.quazzar",
        f"truncate -s 0 keys/{OURS}.quazzar",
        f"echo lost >keys/{OURS}.quazzar",
        f"echo gone >>domains/{OURS}",
        "chmod 0700 keys",
    ],
)
def test_mail_of_a_domain_whose_key_is_of_no_use_waits(world: World, command: str) -> None:
    with damaged(world, command):
        answer = submit(world, "unsigned")
        assert (answer.stage, answer.code) == ("data", 451), answer
        assert "cannot be signed" in answer.text
    assert submit(world, f"signed after {command}").accepted
    raw = wait_for_raw(world.server, world.bob.login, f"signed after {command}")
    assert [found.valid for found in world.signatures(raw)] == [True]


def test_a_domain_without_a_key_sends_unsigned(world: World) -> None:
    with damaged(world, f"truncate -s 0 domains/{OURS}"):
        assert submit(world, "without a key").accepted
    assert not world.signatures(wait_for_raw(world.server, world.bob.login, "without a key"))


def test_no_key_is_in_rspamds_log(world: World) -> None:
    key = world.stack.inside("postfix", "cat", f"/mail-dkim/keys/{OURS}.quazzar")
    log = world.stack.container("rspamd").logs().decode(errors="replace")
    assert "/mail-dkim/keys/" in log
    assert key[:60] not in log


def test_rspamd_reads_the_keys_and_changes_nothing(world: World) -> None:
    container = world.stack.container("rspamd")
    assert container.exec_run(["cat", f"/mail-dkim/keys/{OURS}.quazzar"]).exit_code == 0
    for command in (
        "touch /mail-dkim/keys/x",
        f"rm -f /mail-dkim/keys/{OURS}.quazzar",
        "touch /mail-config/x",
    ):
        assert container.exec_run(["bash", "-c", command]).exit_code, command
