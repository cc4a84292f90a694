"""Changes of a running stack: each is in force within seconds, and nobody else notices any of them."""

from __future__ import annotations

import contextlib
import imaplib
import smtplib
import ssl
from typing import TYPE_CHECKING

import pytest

from mailboxes import certificates
from tests.live.mailworld import STRANGER, World, outside, undisturbed
from tests.live.watching import LoginWatch
from tests.quazzar.nodes import wait_until
from tests.rig.ca import CertificateAuthority
from tests.rig.mailclients import (
    Login,
    deliver,
    imap_login,
    imap_session,
    mail,
    messages,
    parsed,
    raw_messages,
    smtp_login,
    smtp_session,
    trusting,
    wait_for_message,
)  # fmt: skip
from tests.rig.standins import trust

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import Box, MailStack
    from tests.rig.images import Images
    from tests.rig.standins import Sink

pytestmark = pytest.mark.real

OURS = "changes.test"
RELAY, RELAY_USER, RELAY_PASSWORD = "smtp.provider.test", "node", "relay-secret-81d2"
#: Seconds within which a change must be in force.
SOON = 5.0


@pytest.fixture(scope="module")
def world(mailstack: MailStack) -> Iterator[World]:
    found = World(mailstack, OURS)
    with undisturbed(mailstack, found.bob), LoginWatch(mailstack, found.bob.login):
        yield found


def new(world: World, local_part: str, **fields: object) -> Box:
    """A mailbox that can log in."""
    box = world.stack.add_mailbox(world.domain, local_part, **fields)  # type: ignore[arg-type]
    box.wait_login()
    return box


def asked(world: World, recipient: str, size: int = 0) -> tuple[int, bytes]:
    """What port 25 says to this recipient; nothing is sent."""
    with smtp_session(world.server) as client:
        client.mail(STRANGER, [f"SIZE={size}"] if size else [])
        return client.rcpt(recipient)


def wait_asked(world: World, recipient: str, code: int) -> None:
    wait_until(lambda: asked(world, recipient)[0] == code, f"{recipient} is answered with {code}", SOON)


# --- 7: passwords ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("port", [587, 465])
def test_a_new_password_counts_for_sending_and_the_old_one_no_longer(world: World, port: int) -> None:
    box = new(world, f"sender{port}")
    for number in range(3):
        old = box.login
        box.change(password=f"other-word-{number}")
        wait_until(lambda: smtp_login(world.server, box.login, port).code == 235, "the new one works", SOON)
        assert smtp_login(world.server, old, port).code == 535


def test_six_changes_as_fast_as_they_are_taken_leave_the_last_one(world: World) -> None:
    """Some of them are in one push, others in pushes of the same second; all are of the same length."""
    box = new(world, "quick")
    for number in range(6):
        box.change(password=f"quick-word-{number}")
        if number in {1, 3}:
            wait_until(lambda: imap_login(world.server, box.login), "it is in force meanwhile", SOON)
    wait_until(lambda: smtp_login(world.server, box.login).code == 235, "the last one works", SOON)
    assert imap_login(world.server, box.login)
    for number in range(5):
        assert smtp_login(world.server, Login(box.address, f"quick-word-{number}")).code == 535


def test_without_a_password_nobody_logs_in_any_more(world: World) -> None:
    box = new(world, "locked")
    world.stack.expect(200, "PATCH", box.path, {"password": None})
    wait_until(lambda: not imap_login(world.server, box.login), "it is locked", SOON)
    assert smtp_login(world.server, box.login).code == 535
    assert asked(world, box.address)[0] == 250


# --- 8: a mailbox's life -----------------------------------------------------------------------------------
def test_disabling_ends_open_sessions(world: World) -> None:
    box = new(world, "suspended")
    with imap_session(world.server, box.login) as session:
        box.change(enabled=False)
        wait_until(lambda: ended(session), "its session is over", SOON)
    assert smtp_login(world.server, box.login).code == 535
    box.change(enabled=True)
    box.wait_login(SOON)


def ended(session: imaplib.IMAP4) -> bool:
    """Whether the server has closed it."""
    try:
        return session.noop()[0] != "OK"
    except (imaplib.IMAP4.error, OSError):
        return True


def test_a_deleted_address_sends_and_receives_nothing(world: World) -> None:
    box = new(world, "leaver")
    alias = world.stack.add_alias(world.domain, "leavers-alias", box.address)["address"]
    wait_asked(world, alias, 250)
    box.delete()
    wait_asked(world, box.address, 550)
    wait_until(lambda: smtp_login(world.server, box.login).code == 535, "it sends no more", SOON)
    assert not imap_login(world.server, box.login)


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
    assert asked(world, box.address, 2_000_000) == (552, b"5.2.2 <%s>: Recipient address rejected: "
                                                    b"Mailbox is full" % box.address.encode())  # fmt: skip
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
    world.stack.inside("postfix", "postqueue", "-f")
    assert wait_for_message(world.server, box.login, "too big", within=20)
    assert not [
        each for each in messages(world.server, world.alice.login) if "Undelivered" in each["Subject"]
    ]


def queue(world: World) -> str:
    return world.stack.inside("postfix", "postqueue", "-p")


def test_a_submitted_test_string_is_refused_too(world: World) -> None:
    from tests.rig.mailclients import GTUBE

    message = mail("spam", sender=world.alice.address, body=GTUBE)
    answer = deliver(
        world.server, message, STRANGER, sender=world.alice.address, port=587, login=world.alice.login
    )
    assert (answer.stage, answer.code) == ("data", 554)


# --- the certificate ---------------------------------------------------------------------------------------
def served(world: World, port: int) -> str:
    """The certificate in PEM that a client of this port gets."""
    if port in {993, 465}:
        return ssl.get_server_certificate((world.server.host, world.server.port(port))).strip()
    if port == 143:
        with contextlib.closing(imaplib.IMAP4(world.server.host, world.server.port(port), 20)) as reader:
            reader.starttls(trusting())
            return pem(reader.sock)  # type: ignore[arg-type]
    with smtplib.SMTP(world.server.host, world.server.port(port), timeout=20) as client:
        client.starttls(context=trusting())
        return pem(client.sock)  # type: ignore[arg-type]


def pem(connection: ssl.SSLSocket) -> str:
    found = connection.getpeercert(binary_form=True)
    assert found
    return ssl.DER_cert_to_PEM_cert(found).strip()


def test_every_port_serves_the_new_certificate_and_sessions_go_on(world: World) -> None:
    path = "/api/mail/stack/certificate"
    with imap_session(world.server, world.alice.login) as session, submission(world) as sending:
        for _ in range(2):
            certificate, key = certificates.self_signed("mail.stack.test")
            world.stack.expect(200, "PUT", path, {"certificate": certificate, "key": key})
            for port in (25, 587, 465, 143, 993):
                wait_until(
                    lambda port=port: served(world, port) == certificate.strip(), f"it is on {port}", 15
                )
        assert session.noop()[0] == "OK"
        assert sending.noop()[0] == 250
    world.stack.expect(200, "PUT", path, {"self_signed": True})
    wait_until(lambda: served(world, 993) != certificate.strip(), "our own is back", 15)


@contextlib.contextmanager
def submission(world: World) -> Iterator[smtplib.SMTP]:
    with smtp_session(world.server, 587) as client:
        client.login(*(world.alice.address, world.alice.password))
        yield client


def test_a_pair_that_does_not_fit_is_refused_and_the_old_one_stays(world: World) -> None:
    before = served(world, 993)
    pair = {
        "certificate": certificates.self_signed("a.test")[0],
        "key": certificates.self_signed("a.test")[1],
    }
    world.stack.expect(400, "PUT", "/api/mail/stack/certificate", pair)
    assert served(world, 993) == before


# --- the smarthost -----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def provider(world: World, stack_images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    """A relay with a certificate that Postfix believes, and a login; it also is the rest of the world."""
    authority = CertificateAuthority(tmp_path_factory.mktemp("provider"))
    certificate = authority.issue([RELAY])
    trust(world.stack.container("postfix"), authority)
    with outside(world.stack, stack_images, [RELAY, "other.provider.test", "far.test"],
                 login=f"{RELAY_USER}:{RELAY_PASSWORD}", certificate=certificate) as sink:  # fmt: skip
        yield sink
    world.stack.expect(200, "PATCH", "/api/mail/stack", {"send_through_relay": False})
    world.stack.expect(204, "DELETE", "/api/mail/relay")
    world.stack.wait_synced()


def use_relay(world: World, *, on: bool = True, **fields: object) -> None:
    """The relay settings, and whether the stack's mail leaves by them."""
    relay = {"provider": "custom", "host": RELAY, "from_address": "node@provider.test", **fields}
    world.stack.expect(200, "PUT", "/api/mail/relay", relay)
    world.stack.expect(200, "PATCH", "/api/mail/stack", {"send_through_relay": on})
    world.stack.wait_synced(20)


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465)])
def test_mail_leaves_through_the_relay_with_its_login_and_signed(
    world: World, provider: Sink, security: str, port: int
) -> None:
    provider.clear()
    use_relay(world, port=port, security=security, username=RELAY_USER, password=RELAY_PASSWORD)
    assert world.submit(f"by {security}", "friend@far.test").accepted
    (received,) = provider.wait_for(1)
    assert (received.port, received.user, received.encrypted) == (port, RELAY_USER, True)
    assert received.sender == world.alice.address
    assert [each.valid for each in world.signatures(received.content)] == [True]


def test_a_relay_without_tls_and_login_is_used_as_it_is(world: World, provider: Sink) -> None:
    provider.clear()
    use_relay(world, port=25, security="none")
    assert world.submit("by none", "friend@far.test").accepted
    (received,) = provider.wait_for(1)
    assert (received.port, received.user, received.encrypted) == (25, None, False)


def test_mail_among_ourselves_does_not_go_through_the_relay(world: World, provider: Sink) -> None:
    provider.clear()
    assert world.submit("stays here", world.bob.address).accepted
    assert wait_for_message(world.server, world.bob.login, "stays here", within=SOON)
    assert provider.mails() == []


def test_the_password_is_not_given_to_a_relay_with_another_name(world: World, provider: Sink) -> None:
    provider.clear()
    use_relay(world, host="other.provider.test", port=587, security="starttls", username=RELAY_USER,
              password=RELAY_PASSWORD)  # fmt: skip
    assert world.submit("not to be sent", "friend@far.test").accepted
    wait_until(lambda: "certificate" in queue(world), "it waits in the queue, and the reason is said", 30)
    assert provider.mails() == []
    # With the right name it leaves, without anybody's doing.
    use_relay(world, port=587, security="starttls", username=RELAY_USER, password=RELAY_PASSWORD)
    world.stack.inside("postfix", "postqueue", "-f")
    (received,) = provider.wait_for(1)
    assert parsed(received.content)["Subject"] == "not to be sent"


def test_switched_off_mail_leaves_straight_to_its_destination(world: World, provider: Sink) -> None:
    provider.clear()
    use_relay(world, on=False, port=587, security="starttls", username=RELAY_USER, password=RELAY_PASSWORD)
    assert world.submit("straight", "friend@far.test").accepted
    (received,) = provider.wait_for(1)
    assert (received.port, received.user) == (25, None)
    assert "queue is empty" in queue(world)
