"""Every character that a local part may have, on every way in and out of the running stack."""

from __future__ import annotations

import contextlib
import imaplib
import re
import string
from typing import TYPE_CHECKING

import pytest

from mailboxes.provisioning import addresses
from tests.live.mailworld import World
from tests.rig.mailclients import (
    Login,
    authenticate,
    deliver,
    imap_login,
    mail,
    smtp_login,
    smtp_session,
    trusting,
    wait_for_message,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import Box, MailStack

pytestmark = [pytest.mark.real, pytest.mark.thorough]

#: Together they have each character that an address may have, at the start, in the middle and at the end.
NAMES = ("o'neil", "'~&_x-'", "_a.b'&~-", "~'c&", "&d_~")
ALLOWED = {char for char in string.printable if re.fullmatch(addresses.LOCAL_PATTERN, f"x{char}x")}


@pytest.fixture(scope="module")
def world(mailstack: MailStack) -> World:
    return World(mailstack, "names.test")


@pytest.fixture(scope="module")
def boxes(world: World) -> Iterator[list[Box]]:
    found = [world.stack.add_mailbox(world.domain, name, quota_mb=1) for name in NAMES]
    world.stack.wait_synced()
    found[-1].wait_login()
    yield found


def test_these_names_have_each_character_that_an_address_may_have() -> None:
    assert ALLOWED - {*string.ascii_lowercase, *string.digits} == {*"".join(NAMES)} - {
        *string.ascii_lowercase
    }


def test_they_log_in_everywhere(world: World, boxes: list[Box]) -> None:
    for box in boxes:
        assert imap_login(world.server, box.login), box.address
        assert [smtp_login(world.server, box.login, port).code for port in (587, 465)] == [235, 235], (
            box.address
        )


def test_mail_reaches_them_directly_with_a_tag_by_an_alias_and_by_a_catch_all(
    world: World, boxes: list[Box]
) -> None:
    domain = world.stack.add_domain("names-caught.test", catch_all=boxes[0].address)
    alias = world.stack.add_alias(world.domain, "'all&~_-", *(box.address for box in boxes))
    world.stack.wait_synced()
    tagged = [box.address.replace("@", "+tag@") for box in boxes]
    for subject, recipients in {
        "direct": [box.address for box in boxes],
        "tagged": tagged,
        "by alias": [alias["address"]],
        "caught": [f"any'one@{domain['name']}"],
    }.items():
        assert deliver(world.server, mail(subject), recipients).accepted, subject
    for box in boxes:
        for subject in ("direct", "tagged", "by alias"):
            wait_for_message(world.server, box.login, subject)
    wait_for_message(world.server, boxes[0].login, "caught")


def test_they_send_as_themselves_and_as_nobody_else(world: World, boxes: list[Box]) -> None:
    for box in boxes:
        for header, code in {
            box.address: 250,
            f"{box.address.replace('@', '+tag@')}": 250,
            f'"Bob\'s" <{box.address}>': 250,
            boxes[boxes.index(box) - 1].address: 554,
        }.items():
            answer = deliver(
                world.server,
                mail("sent", sender=header, to=world.bob.address),
                world.bob.address,
                sender=box.address,
                port=587,
                login=box.login,
            )
            assert answer.code == code, (header, answer)


def test_their_usage_is_known_and_a_disabled_one_is_out(world: World, boxes: list[Box]) -> None:
    world.stack.manage("shell", "-c", "from mailboxes.upkeep import refresh_usage; refresh_usage()")
    assert all(used(box) for box in boxes)
    boxes[0].change(enabled=False)
    world.stack.wait_synced()
    assert not imap_login(world.server, boxes[0].login)


def used(box: Box) -> int:
    return int(box.stack.expect(200, "GET", box.path)["usage_bytes"])


def test_a_domain_in_another_script_logs_in_as_it_is_typed_and_as_it_is_stored(world: World) -> None:
    ida = world.stack.add_mailbox(world.stack.add_domain("bücher-names.test"), "ida'")
    world.stack.wait_synced()
    ida.wait_login()
    assert ida.address == "ida'@xn--bcher-names-thb.test"
    for address in (ida.address, "ida'@bücher-names.test", "Ida'@bücher-names.test"):
        login = Login(address, ida.password)
        assert [smtp_login(world.server, login, port).code for port in (587, 465)] == [235, 235], address
        with imap(world, login) as client:
            assert client.status("INBOX", "(MESSAGES)")[0] == "OK"
        assert smtp_login(world.server, Login(address, "wrong")).code == 535
    answer = deliver(
        world.server,
        mail("as typed", sender=ida.address, to=world.bob.address),
        world.bob.address,
        sender=ida.address,
        port=587,
        login=Login("ida'@bücher-names.test", ida.password),
    )
    assert answer.accepted, answer


def envelope(world: World, port: int, sender: str, recipient: str, login: Login | None = None) -> str:
    """What the server says at last to an envelope of raw UTF-8, which no client may send without SMTPUTF8."""
    with smtp_session(world.server, port) as client:
        if login:
            assert authenticate(client, login).code == 235
        client.command_encoding = "utf-8"
        code, text = client.docmd(f"MAIL FROM:<{sender}>")
        if code == 250:
            code, text = client.docmd(f"RCPT TO:<{recipient}>")
        return f"{code} {text.decode()}"


def test_an_envelope_in_another_script_is_taken_as_dns_has_it(world: World) -> None:
    ida = world.stack.add_mailbox(world.stack.add_domain("größe-names.test"), "ida")
    world.stack.wait_synced()
    ida.wait_login()
    for spelt in ("größe-names.test", "GRÖSSE-NAMES.test", "Gro\u0308ße-names.TEST"):
        for port in (587, 465):
            for sender, recipient in ((f"ida@{spelt}", world.bob.address), (ida.address, f"ida@{spelt}")):
                said = envelope(world, port, sender, recipient, ida.login)
                assert said.startswith("250"), (spelt, port, said)
            # It is still nobody else's.
            assert envelope(world, port, f"other@{spelt}", world.bob.address, ida.login).startswith("553")
        assert envelope(world, 25, "someone@outside.test", f"ida@{spelt}").startswith("250")
        assert envelope(world, 25, "someone@outside.test", f"nobody@{spelt}").startswith("550 5.1.1")


@contextlib.contextmanager
def imap(world: World, login: Login) -> Iterator[imaplib.IMAP4_SSL]:
    """A session of somebody whose name is not ASCII."""
    server = world.server
    client = imaplib.IMAP4_SSL(server.host, server.port(993), ssl_context=trusting(), timeout=20)
    try:
        client.authenticate("PLAIN", lambda _: f"\0{login.address}\0{login.password}".encode())
        yield client
    finally:
        client.shutdown()
