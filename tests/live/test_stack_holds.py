"""What must hold of the running stack, through the product and the published ports. No container is restarted."""

from __future__ import annotations

import imaplib
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.mailstack import MailStack
from tests.quazzar.nodes import wait_until
from tests.rig.mailclients import (
    GTUBE,
    GTUBE_MARKED,
    Login,
    capabilities,
    deliver,
    imap_login,
    imap_session,
    mail,
    messages,
    signatures,
    smtp_login,
    smtp_session,
    wait_for_message,
    wait_for_raw,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real

DOMAIN = "holds.test"
OUTSIDE = "someone@outside.test"


class World:
    """A domain with two mailboxes and an alias, and a session that was opened before anything happened."""

    def __init__(self, stack: MailStack) -> None:
        self.stack = stack
        self.server = stack.server
        self.domain = stack.add_domain(DOMAIN)
        self.alice = stack.add_mailbox(self.domain, "alice")
        self.bob = stack.add_mailbox(self.domain, "bob")
        stack.add_alias(self.domain, "sales", self.alice.address)
        self.alice.wait_login()
        stack.wait_synced()


@pytest.fixture(scope="module")
def world(mailstack: MailStack) -> Iterator[World]:
    """At its end no container has been started again, and the old session still answers."""
    found = World(mailstack)
    before = mailstack.started()
    with imap_session(mailstack.server, found.alice.login) as session:
        yield found
        assert session.noop()[0] == "OK"
    assert mailstack.started() == before


def public_key(stack: MailStack, domain: str) -> str:
    code = f"from mailboxes.models import Domain; print(Domain.objects.get(name={domain!r}).dkim_public_key)"
    return stack.manage("shell", "-c", code).strip().splitlines()[-1]


# --- 1: port 25 --------------------------------------------------------------------------------------------
def test_port_25_offers_no_login_before_or_after_tls(world: World) -> None:
    before, after = capabilities(world.server, 25)
    assert "AUTH" not in before | after and "STARTTLS" in before


def test_an_unknown_recipient_is_refused_at_once(world: World) -> None:
    answer = deliver(world.server, mail("x"), f"nobody@{DOMAIN}")
    assert answer.code == 550 and "5.1.1" in answer.text


@pytest.mark.parametrize("sender", [OUTSIDE, f"alice@{DOMAIN}", ""])
@pytest.mark.parametrize(
    "to", ["victim@elsewhere.test", f'"victim@elsewhere.test"@{DOMAIN}', f"victim%elsewhere.test@{DOMAIN}"]
)
def test_nothing_is_relayed_for_strangers(world: World, sender: str, to: str) -> None:
    answer = deliver(world.server, mail("x"), to, sender=sender)
    assert answer.stage == "rcpt" and answer.code in {550, 554}, answer


# --- 2: delivery -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "to", [f"alice@{DOMAIN}", f"ALICE@{DOMAIN.upper()}", f"alice+tag@{DOMAIN}", f"sales@{DOMAIN}"]
)
def test_mail_arrives_scanned(world: World, to: str) -> None:
    subject = f"for {to}"
    assert deliver(world.server, mail(subject, to=to), to).accepted
    message = wait_for_message(world.server, world.alice.login, subject, within=5)
    assert message["X-Spamd-Bar"]


# --- 3: submission -----------------------------------------------------------------------------------------
def test_587_wants_tls_before_a_login(world: World) -> None:
    before, after = capabilities(world.server, 587)
    assert "AUTH" not in before and "AUTH" in after
    with smtp_session(world.server, 587, tls="none") as client:
        assert client.docmd("AUTH", "PLAIN AGEAYg==")[0] == 530
        assert client.mail(f"alice@{DOMAIN}")[0] == 530


def test_465_wants_a_login(world: World) -> None:
    answer = deliver(world.server, mail("x"), world.alice.address, sender=world.bob.address, port=465)
    assert answer.code in {530, 553, 554}


@pytest.mark.parametrize("port", [587, 465])
def test_a_wrong_password_is_refused(world: World, port: int) -> None:
    assert smtp_login(world.server, Login(world.alice.address, "wrong-password"), port).code == 535


@pytest.mark.parametrize("password", ["supersecret", "password", "pass"])
def test_no_password_of_the_image_lets_anybody_in(world: World, password: str) -> None:
    assert not imap_login(world.server, Login(f"anybody@{DOMAIN}", password))
    assert smtp_login(world.server, Login(world.bob.address, password)).code == 535


# --- 4: who may send as whom -------------------------------------------------------------------------------
def submit(world: World, sender: str, header: str = "", *, port: int = 587, to: str = "") -> Any:
    message = mail(f"as {sender} {header} {port}", sender=header or sender, to=to or world.bob.address)
    return deliver(
        world.server, message, to or world.bob.address, sender=sender, port=port, login=world.alice.login
    )


def test_another_mailboxes_sender_is_refused(world: World) -> None:
    assert submit(world, world.bob.address).code == 553


def test_an_own_alias_may_be_the_sender(world: World) -> None:
    assert submit(world, f"sales@{DOMAIN}").accepted


def test_a_forged_from_header_is_refused(world: World) -> None:
    assert submit(world, world.alice.address, world.bob.address).code == 554
    assert submit(world, world.alice.address, "boss@elsewhere.test").code == 554


# --- 5 and 6: signatures -----------------------------------------------------------------------------------
@pytest.mark.parametrize("port", [587, 465])
def test_submitted_mail_is_signed(world: World, port: int) -> None:
    assert submit(world, world.alice.address, port=port).accepted
    raw = wait_for_raw(world.server, world.bob.login, f"as {world.alice.address}  {port}")
    (found,) = signatures(raw, public_key(world.stack, DOMAIN))
    assert (found.domain, found.selector, found.valid) == (DOMAIN, "quazzar", True)


def test_a_domain_added_live_signs_too(world: World) -> None:
    carol = world.stack.add_mailbox(world.stack.add_domain("later.test"), "carol")
    carol.wait_login()
    world.stack.wait_synced()
    message = mail("from later", sender=carol.address, to=world.bob.address)
    assert deliver(
        world.server, message, world.bob.address, sender=carol.address, port=587, login=carol.login
    ).accepted
    (found,) = signatures(
        wait_for_raw(world.server, world.bob.login, "from later"), public_key(world.stack, "later.test")
    )
    assert found.domain == "later.test" and found.valid


def test_outside_mail_that_claims_to_be_ours_is_not_signed(world: World) -> None:
    assert deliver(world.server, mail("forged", sender=world.bob.address), world.alice.address).accepted
    found = [wait_for_either(world, "forged", folder) for folder in ("INBOX", "Junk")]
    raw = next(each for each in found if each)
    assert not signatures(raw, public_key(world.stack, DOMAIN))


def wait_for_either(world: World, subject: str, folder: str) -> bytes:
    try:
        return wait_for_raw(world.server, world.alice.login, subject, folder=folder, within=4)
    except AssertionError:
        return b""


# --- 7: passwords ------------------------------------------------------------------------------------------
def test_each_of_six_passwords_in_a_row_replaces_the_one_before(world: World) -> None:
    dave = world.stack.add_mailbox(world.domain, "dave")
    dave.wait_login()
    for number in range(6):
        old = dave.login
        dave.change(password=f"quick-change-{number}-{number}")
        wait_until(lambda: imap_login(world.server, dave.login), "the new password works", 5)
        wait_until(lambda old=old: not imap_login(world.server, old), "the old one fails", 5)
    assert smtp_login(world.server, dave.login).code == 235


def test_of_several_changes_in_one_second_the_last_one_counts(world: World) -> None:
    erin = world.stack.add_mailbox(world.domain, "erin")
    erin.wait_login()
    for number in range(6):
        erin.change(password=f"same-length-{number}")
    wait_until(lambda: imap_login(world.server, erin.login), "the last password works", 6)
    for number in range(5):
        assert not imap_login(world.server, Login(erin.address, f"same-length-{number}"))


# --- 8: the rest of a mailbox's life -----------------------------------------------------------------------
def test_a_disabled_mailbox_still_receives(world: World) -> None:
    frank = world.stack.add_mailbox(world.domain, "frank")
    frank.wait_login()
    frank.change(enabled=False)
    wait_until(lambda: not imap_login(world.server, frank.login), "IMAP is refused", 5)
    assert smtp_login(world.server, frank.login).code == 535
    assert deliver(world.server, mail("while disabled"), frank.address).accepted
    frank.change(enabled=True)
    frank.wait_login()
    assert wait_for_message(world.server, frank.login, "while disabled")


def test_deleting_ends_sessions_and_the_address_starts_empty_again(world: World) -> None:
    grace = world.stack.add_mailbox(world.domain, "grace")
    grace.wait_login()
    assert deliver(world.server, mail("to the first"), grace.address).accepted
    wait_for_message(world.server, grace.login, "to the first")
    with imap_session(world.server, grace.login) as session:
        grace.delete()
        wait_until(lambda: _gone(session), "the session has ended", 10)
    wait_until(lambda: refused(world, grace.address), "no more mail", 5)
    again = world.stack.add_mailbox(world.domain, "grace", grace.password)
    again.wait_login()
    assert messages(world.server, again.login) == []


def refused(world: World, address: str) -> bool:
    """Asked without sending anything."""
    with smtp_session(world.server) as client:
        client.mail(OUTSIDE)
        return client.rcpt(address)[0] == 550


def _gone(session: imaplib.IMAP4) -> bool:
    try:
        return session.noop()[0] != "OK"
    except (imaplib.IMAP4.error, OSError, ssl.SSLError):
        return True


def test_a_deleted_mailbox_comes_back_with_its_mail(world: World) -> None:
    heidi = world.stack.add_mailbox(world.domain, "heidi")
    heidi.wait_login()
    assert deliver(world.server, mail("kept"), heidi.address).accepted
    wait_for_message(world.server, heidi.login, "kept")
    heidi.delete()
    wait_until(lambda: not imap_login(world.server, heidi.login), "it is out", 10)
    world.stack.expect(200, "POST", f"{heidi.path}/restore")
    heidi.wait_login()
    assert wait_for_message(world.server, heidi.login, "kept")


def test_a_full_mailbox_is_refused_until_its_quota_is_raised(world: World) -> None:
    ivan = world.stack.add_mailbox(world.domain, "ivan", quota_mb=1)
    ivan.wait_login()
    big = mail("big", body="x" * 70 + "\n" + ("y" * 70 + "\n") * 10_000)
    assert deliver(world.server, big, ivan.address).accepted
    wait_for_message(world.server, ivan.login, "big")
    wait_until(lambda: deliver(world.server, big, ivan.address).code == 552, "it is full", 10)
    ivan.change(quota_mb=50)
    wait_until(lambda: deliver(world.server, big, ivan.address).accepted, "there is room again", 10)


def test_the_test_string_of_spam_is_refused(world: World) -> None:
    assert deliver(world.server, mail("gtube", body=GTUBE), world.alice.address).code == 554


def test_spam_goes_to_junk(world: World) -> None:
    assert deliver(world.server, mail("junk", body=GTUBE_MARKED), world.alice.address).accepted
    assert wait_for_raw(world.server, world.alice.login, "junk", folder="Junk")


def served(world: World, port: int) -> str:
    number = world.server.port(port)
    return ssl.get_server_certificate((world.server.host, number))


def test_another_certificate_is_served_without_a_restart(world: World) -> None:
    from mailboxes import certificates

    before = served(world, 993)
    certificate, key = certificates.self_signed("mail.stack.test")
    world.stack.expect(200, "PUT", "/api/mail/stack/certificate", {"certificate": certificate, "key": key})
    for port in (993, 465):
        wait_until(
            lambda port=port: served(world, port).strip() == certificate.strip(), f"{port} serves it", 15
        )
    assert before.strip() != certificate.strip()
