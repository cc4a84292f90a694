"""587 and 465 of the running stack: who may send, as whom, and what it looks like when it arrives elsewhere."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.live.mailworld import STRANGER, World, outside, undisturbed
from tests.quazzar.nodes import wait_until
from tests.rig.mailclients import (
    GTUBES,
    Login,
    authenticate,
    capabilities,
    deliver,
    imap_login,
    mail,
    parsed,
    smtp_login,
    smtp_session,
    wait_for_message,
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import MailStack
    from tests.rig.images import Images
    from tests.rig.standins import Received, Sink

pytestmark = pytest.mark.real

OURS = "submission.test"
TO = "friend@far.test"


@pytest.fixture(scope="module")
def far(mailstack: MailStack, stack_images: Images) -> Iterator[Sink]:
    """The server of the people that our users write to."""
    with outside(mailstack, stack_images, ["far.test"]) as sink:
        yield sink


@pytest.fixture(scope="module")
def world(mailstack: MailStack, far: Sink) -> Iterator[World]:
    """With an alias of Bob's beside Alice's."""
    found = World(mailstack, OURS)
    mailstack.add_alias(found.domain, "support", found.bob.address)
    mailstack.wait_synced()
    with undisturbed(mailstack, found.bob):
        yield found


def arrived(far: Sink, subject: str) -> Received:
    """That mail, as soon as it is outside."""
    wait_until(lambda: any(each.message["Subject"] == subject for each in far.mails()), subject, 30)
    return next(each for each in far.mails() if each.message["Subject"] == subject)


# --- 3: TLS, then a login ----------------------------------------------------------------------------------
@pytest.mark.parametrize("port", [587, 465])
def test_without_a_login_not_even_our_own_people_get_mail(world: World, port: int) -> None:
    answer = deliver(world.server, mail("x"), world.bob.address, sender=world.alice.address, port=port)
    assert answer.code in {530, 553, 554}, answer


def test_465_offers_a_login_at_once_and_plain_text_is_no_way_in(world: World) -> None:
    with smtp_session(world.server, 465) as client:
        assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
    with socket.create_connection((world.server.host, world.server.port(465)), 20) as plain:
        plain.sendall(b"EHLO client.test\r\n")
        assert not plain.recv(100).startswith(b"2")


def test_587_offers_nothing_but_tls_before_tls(world: World) -> None:
    before, after = capabilities(world.server, 587)
    assert "STARTTLS" in before
    assert "STARTTLS" not in after


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("port", [587, 465])
def test_what_imap_refuses_in_a_handshake_submission_refuses(world: World, port: int) -> None:
    measure = handshakes(world, 993)
    assert {version for version, _ in measure} == {"TLSv1.2", "TLSv1.3"}
    assert handshakes(world, port) <= measure


def handshakes(world: World, port: int) -> set[tuple[str, str]]:
    """(protocol, cipher) of every handshake that the port takes; each cipher that was taken is left out of the next."""
    versions = [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
    taken: set[tuple[str, str]] = set()
    for version in versions:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
        ciphers = [cipher["name"] for cipher in context.get_ciphers()]
        while ciphers:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
            context.maximum_version, context.minimum_version = version, version
            context.set_ciphers(":".join(["@SECLEVEL=0", *ciphers]))
            pair = handshake(world, port, context)
            if pair is None or pair in taken:
                break
            taken.add(pair)
            if pair[1] not in ciphers:
                break
            ciphers.remove(pair[1])
    return taken


def handshake(world: World, port: int, context: ssl.SSLContext) -> tuple[str, str] | None:
    address = (world.server.host, world.server.port(port))
    try:
        if port == 587:
            with smtplib.SMTP(*address, timeout=20) as client:
                client.starttls(context=context)
                client.ehlo()
                return cipher_of(client.sock)
        with socket.create_connection(address, 20) as plain, context.wrap_socket(plain) as encrypted:
            return cipher_of(encrypted)
    except (OSError, smtplib.SMTPException):
        return None


def cipher_of(connection: object) -> tuple[str, str]:
    assert isinstance(connection, ssl.SSLSocket)
    version, cipher = connection.version(), connection.cipher()
    assert version is not None
    assert cipher is not None
    return version, cipher[0]


def test_a_logged_in_user_may_order_a_report_of_success(world: World) -> None:
    with smtp_session(world.server, 587) as client:
        authenticate(client, world.alice.login)
        client.mail(world.alice.address)
        assert client.rcpt(world.bob.address, ["NOTIFY=SUCCESS"])[0] == 250
        assert client.data(mail("with a report", sender=world.alice.address))[0] == 250
    assert wait_for_message(world.server, world.alice.login, "Successful Mail Delivery Report")


@pytest.mark.parametrize("port", [587, 465])
def test_whoever_logs_in_sends(world: World, port: int) -> None:
    assert world.submit(f"by {port}", world.bob.address, port=port).accepted
    assert wait_for_message(world.server, world.bob.login, f"by {port}", within=5)


def test_capitals_in_the_name_are_the_same_mailbox(world: World) -> None:
    login = Login(world.alice.address.upper(), world.alice.password)
    assert smtp_login(world.server, login).code == 235
    assert imap_login(world.server, login)


def test_login_is_taken_beside_plain(world: World) -> None:
    with smtp_session(world.server, 587) as client:
        client.user, client.password = world.alice.login.address, world.alice.login.password
        assert client.auth("LOGIN", client.auth_login)[0] == 235


@pytest.mark.parametrize("password", ["", "*", "!", "{CRYPT}*", "x"])
def test_a_mailbox_without_a_password_opens_for_nobody(world: World, password: str) -> None:
    found = world.stack.expect(200, "GET", "/api/mail/mailboxes?search=closed@")["results"]
    if not found:
        body = {"domain": world.domain["id"], "local_part": "closed", "password": None}
        world.stack.expect(201, "POST", "/api/mail/mailboxes", body)
        world.stack.wait_synced()
    assert smtp_login(world.server, Login(world.at("closed"), password)).code == 535


def test_twenty_five_wrong_passwords_of_others_hold_nobody_up(world: World) -> None:
    """They come from the same address as everybody, the bridge's gateway: no delay or ban may count by address."""
    wrong = [Login(world.at(f"nobody{number}"), f"guess-{number}") for number in range(24)]
    refused: list[int] = []
    guesses = [
        threading.Thread(target=lambda login=login: refused.append(smtp_login(world.server, login).code))
        for login in [*wrong, Login(world.bob.address, "a wrong one")]
    ]
    for guess in guesses:
        guess.start()
    for guess in guesses:
        guess.join()
    assert refused == [535] * 25
    began = time.monotonic()
    assert imap_login(world.server, world.alice.login)
    assert smtp_login(world.server, world.alice.login).code == 235
    # Dovecot's delay for that many from one address is 15 seconds.
    assert time.monotonic() - began < 5


# --- 4: as whom --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "sender", ["bob@{}", "support@{}", "nobody@{}", "bob+x@{}", STRANGER, "alice@far.test", "mail.stack.test"]
)
def test_somebody_elses_address_is_refused(world: World, sender: str) -> None:
    answer = world.submit("x", world.bob.address, sender=sender.format(OURS))
    assert answer.code in {553, 504}, answer


@pytest.mark.parametrize("sender", ["alice@{}", "ALICE@{}", "alice+shop@{}", "sales@{}"])
def test_an_own_address_is_taken(world: World, sender: str) -> None:
    assert world.submit(f"from {sender}", world.bob.address, sender=sender.format(OURS)).accepted


FORGED = {
    "another mailbox": ["bob@submission.test"],
    "a stranger": [STRANGER],
    "an alias that is not the sender": ["sales@submission.test"],
    "another address as the name": ['"bob@submission.test" <alice@submission.test>'],
    "two addresses": ["alice@submission.test, bob@submission.test"],
    "two headers": ["alice@submission.test", "bob@submission.test"],
    "nobody": ["undisclosed:;"],
    "an address in quotes as the name": [r'"\"bob\"@submission.test" <alice@submission.test>'],
    "an address in quotes in a comment": ['alice@submission.test ("bob"@submission.test)'],
}


@pytest.mark.parametrize("froms", FORGED.values(), ids=FORGED)
def test_a_from_header_that_is_not_the_sender_is_refused(world: World, froms: list[str]) -> None:
    answer = deliver(
        world.server,
        with_from(froms),
        world.bob.address,
        sender=world.alice.address,
        port=587,
        login=world.alice.login,
    )
    assert (answer.stage, answer.code) == ("data", 554), answer


@pytest.mark.parametrize("test_string", GTUBES)
@pytest.mark.parametrize("port", [587, 465])
def test_a_test_string_in_the_body_does_not_let_a_forged_from_out(
    world: World, port: int, test_string: str
) -> None:
    forged = mail("forged", sender=world.bob.address, to=TO, body=test_string)
    answer = deliver(world.server, forged, TO, sender=world.alice.address, port=port, login=world.alice.login)
    assert (answer.stage, answer.code) == ("data", 554), answer


@pytest.mark.parametrize(
    "header",
    [
        "Alice <Alice@SUBMISSION.test>",
        "alice+shop@submission.test",
        '"alice@submission.test" <alice@submission.test>',
        '"@alice" <alice@submission.test>',
    ],
)
def test_a_from_header_with_a_name_capitals_or_a_tag_is_the_senders(world: World, header: str) -> None:
    answer = deliver(
        world.server,
        with_from([header]),
        world.bob.address,
        sender=world.alice.address,
        port=465,
        login=world.alice.login,
    )
    assert answer.accepted, answer


def with_from(froms: list[str]) -> bytes:
    """A message with these From: headers as they are."""
    lines = mail("x", sender="gone@gone.test").split(b"\r\n")
    kept = [line for line in lines if not line.startswith(b"From:")]
    return b"\r\n".join([*(f"From: {each}".encode() for each in froms), *kept])


def test_the_empty_sender_carries_no_letters(world: World) -> None:
    with smtp_session(world.server, 587) as client:
        authenticate(client, world.alice.login)
        client.mail("")
        client.rcpt(TO)
        assert client.data(mail("x", sender=world.bob.address))[0] == 554


def test_who_may_not_send_is_refused_and_still_reads(world: World) -> None:
    mute = world.stack.add_mailbox(world.domain, "mute", can_send=False)
    mute.wait_login()
    world.stack.wait_synced()
    answer = deliver(
        world.server, mail("x", sender=mute.address), TO, sender=mute.address, port=587, login=mute.login
    )
    assert answer.code == 553, answer
    mute.change(can_send=True)
    world.stack.wait_synced()
    message = mail("no longer mute", sender=mute.address)
    assert deliver(
        world.server, message, world.bob.address, sender=mute.address, port=587, login=mute.login
    ).accepted


# --- 5: what leaves ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("port", [587, 465])
def test_what_arrives_elsewhere_bears_one_signature_that_is_valid(world: World, far: Sink, port: int) -> None:
    assert world.submit(f"far by {port}", TO, port=port).accepted
    received = arrived(far, f"far by {port}")
    (found,) = world.signatures(received.content)
    assert (found.domain, found.selector, found.valid) == (OURS, "quazzar", True)
    assert (received.helo, received.sender) == ("mail.stack.test", world.alice.address)


def test_a_change_on_the_way_is_noticed(world: World, far: Sink) -> None:
    assert world.submit("to be changed", TO).accepted
    content = arrived(far, "to be changed").content
    for old, new in (
        (b"ordinary", b"urgent"),
        (b"Subject: to", b"Subject: not to"),
        (b"To: ", b"To: boss@x.test, "),
    ):
        changed = content.replace(old, new, 1)
        assert changed != content
        assert [each.valid for each in world.signatures(changed)] == [False], old


def test_headers_added_on_the_way_are_noticed(world: World, far: Sink) -> None:
    assert world.submit("to be added to", TO).accepted
    content = arrived(far, "to be added to").content
    for header in (b"From: boss@far.test\r\n", b"Subject: other\r\n"):
        assert not any(each.valid for each in world.signatures(header + content)), header


def test_a_domain_that_is_added_now_signs_with_its_own_key(world: World, far: Sink) -> None:
    later = "added-later.test"
    carol = world.stack.add_mailbox(world.stack.add_domain(later), "carol")
    carol.wait_login()
    world.stack.wait_synced()
    message = mail("from later", sender=carol.address)
    assert deliver(world.server, message, TO, sender=carol.address, port=465, login=carol.login).accepted
    content = arrived(far, "from later").content
    assert [(each.domain, each.valid) for each in world.signatures(content, later)] == [(later, True)]
    assert [each.valid for each in world.signatures(content)] == [False]


def test_an_alias_in_another_domain_signs_for_that_domain(world: World, far: Sink) -> None:
    second = "second.test"
    world.stack.add_alias(world.stack.add_domain(second), "hello", world.alice.address)
    world.stack.wait_synced()
    assert world.submit("from second", TO, sender=f"hello@{second}").accepted
    found = world.signatures(arrived(far, "from second").content, second)
    assert [(each.domain, each.valid) for each in found] == [(second, True)]


def test_the_receiver_is_not_told_which_login_it_was(world: World, far: Sink) -> None:
    assert world.submit("from the alias", TO, sender=world.alias).accepted
    received = arrived(far, "from the alias")
    assert received.sender == world.alias
    assert world.alice.address.encode() not in received.content


def test_a_bounce_says_what_was_wrong(world: World, far: Sink) -> None:
    far.answer("RCPT gone@far.test", "550 5.1.1 nobody here")
    assert world.submit("to nobody", "gone@far.test").accepted
    bounce = wait_for_message(world.server, world.alice.login, "Undelivered Mail Returned to Sender")
    assert "nobody here" in str(bounce)
    assert parsed(bytes(bounce))["Auto-Submitted"] == "auto-replied"
