"""Port 25 of the running stack: mail for its mailboxes comes in, scanned; nothing goes through it to elsewhere."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.live.mailworld import STRANGER, World, outside, undisturbed
from tests.quazzar.nodes import wait_until
from tests.rig.mailclients import (
    authenticate,
    deliver,
    mail,
    messages,
    parsed,
    smtp_session,
    trusting,
    wait_for_message,
    wait_for_raw,
)  # fmt: skip
from tests.rig.standins import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import Box, MailStack
    from tests.rig.images import Images
    from tests.rig.standins import Sink

pytestmark = pytest.mark.real

VICTIM = "victim@elsewhere.test"
OURS, CATCHING = "ingress.test", "catching.test"
#: Every way to write "to somebody else, through you"; {} is a domain of ours.
ROUTES = (
    VICTIM,
    VICTIM.upper(),
    '"victim@elsewhere.test"@{}',
    "victim%elsewhere.test@{}",
    "elsewhere.test!victim@{}",
    "@{}:victim@elsewhere.test",
    "victim@[127.0.0.1]",
    "victim@[10.0.0.1]",
    "victim@localhost",
    "victim@mail.stack.test",
    "victim@elsewhere.test@{}",
    "victim",
    "",
)
SENDERS = (STRANGER, f"alice@{OURS}", f"nobody@{OURS}", "", "root@localhost", "postmaster@mail.stack.test")


@pytest.fixture(scope="module")
def elsewhere(mailstack: MailStack, stack_images: Images) -> Iterator[Sink]:
    """An address elsewhere, to which nobody may relay through the stack, although Postfix could reach it."""
    with outside(mailstack, stack_images, ["elsewhere.test"]) as sink:
        yield sink


@pytest.fixture(scope="module")
def world(mailstack: MailStack, elsewhere: Sink) -> Iterator[World]:
    """A world with a second domain, which accepts mail for every name."""
    found = World(mailstack, OURS)
    mailstack.add_domain(CATCHING, catch_all=found.bob.address)
    mailstack.wait_synced()
    with undisturbed(mailstack, found.bob):
        yield found


# --- 1: no login, no relaying ------------------------------------------------------------------------------
@pytest.mark.parametrize("tls", ["none", "starttls"])
def test_even_the_right_password_is_not_taken_on_port_25(world: World, tls: str) -> None:
    with smtp_session(world.server, 25, tls="starttls" if tls == "starttls" else "none") as client:
        assert authenticate(client, world.alice.login).code in {502, 503}
        client.mail(world.alice.address)
        assert client.rcpt(VICTIM)[0] == 554


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("domain", [OURS, CATCHING])
def test_no_way_of_writing_an_address_leads_out(world: World, sender: str, domain: str) -> None:
    # A session for each half: after ten errors Postfix answers a second later.
    for routes in (ROUTES[:7], ROUTES[7:]):
        with smtp_session(world.server, 25) as client:
            for route in routes:
                client.rset()
                if client.mail(sender)[0] != 250:
                    continue
                code, text = client.rcpt(route.format(domain))
                # What is not refused may be one thing only: a name in the domain that takes them all.
                caught = code == 250 and domain == CATCHING and route.endswith("@{}")
                assert caught or 500 <= code < 600, text


def test_relaying_is_denied_over_tls_too(world: World) -> None:
    with smtp_session(world.server, 25) as client:
        client.starttls(context=trusting())
        client.ehlo()
        client.mail(world.alice.address)
        assert client.rcpt(VICTIM) == (554, b"5.7.1 <%s>: Relay access denied" % VICTIM.encode())


_PROBE = """
import smtplib, sys
with smtplib.SMTP("postfix", 25, timeout=20) as client:
    client.ehlo(); client.mail(sys.argv[1]); print(client.rcpt(sys.argv[2])[0])
    client.rset(); client.mail(sys.argv[1]); print(client.rcpt(sys.argv[3])[0])
"""


@pytest.mark.parametrize("sender", [STRANGER, f"alice@{OURS}"])
def test_a_private_address_is_not_trusted_either(world: World, elsewhere: Sink, sender: str) -> None:
    code, text = said(elsewhere.container, "python3", "-c", _PROBE, sender, VICTIM, world.bob.address)
    assert code == 0
    assert text.split() == ["554", "250"], text


def test_names_with_signs_in_them_are_caught_and_go_nowhere_else(world: World) -> None:
    for number, route in enumerate(ROUTES):
        if route.endswith("@{}"):
            deliver(world.server, mail(f"caught {number}", to="x@y.test"), route.format(CATCHING))
    assert deliver(world.server, mail("caught by all"), f"whatever@{CATCHING}").accepted
    assert wait_for_message(world.server, world.bob.login, "caught by all")


def test_what_was_refused_could_have_been_delivered(world: World, elsewhere: Sink) -> None:
    assert world.submit("allowed", VICTIM).accepted
    (received,) = elsewhere.wait_for(1)
    assert received.message["Subject"] == "allowed"


LOCAL = (
    "{}@[127.0.0.1]",
    "{}@[IPv6:::1]",
    "{}@[{address}]",
    "{}@localhost",
    "@" + OURS + ":{}@[127.0.0.1]",
    "{}",
)


@pytest.mark.parametrize("account", ["root", "mail", "nobody", "opendkim", "postfix", "no-such-account"])
def test_no_way_of_writing_an_address_reaches_a_unix_account(world: World, account: str) -> None:
    address = world.stack.inside("postfix", "hostname", "-i").split()[0]
    answers = set()
    for route in LOCAL:
        recipient = route.format(account, address=address)
        for port, login in ((25, None), (587, world.alice.login), (465, world.alice.login)):
            if login and "IPv6" in route:
                continue  # Postfix has no IPv6 here: to a logged-in user it is an address like any other
            sender = world.alice.address if login else STRANGER
            message = mail("local", sender=sender)
            answer = deliver(world.server, message, recipient, sender=sender, port=port, login=login)
            assert answer.stage == "rcpt", (route, port, answer)
            assert 500 <= answer.code < 600, (route, port, answer)
            answers.add(answer.text.replace(recipient, "").replace(account, ""))
    assert not [text for text in answers if "unknown" in text.lower()], "tells who has an account"
    assert not world.stack.inside("postfix", "find", "/var/mail", "/var/spool/mail", "-type", "f")


@pytest.mark.parametrize("notify", ["SUCCESS", "success,failure,delay", "FAILURE"])
def test_a_stranger_orders_no_report(world: World, elsewhere: Sink, notify: str) -> None:
    """The mail itself arrives. Had a report been made, it would be at the forged sender's before the last test ends."""
    subject = f"ordered {notify}"
    with smtp_session(world.server) as client:
        client.ehlo()
        client.mail(VICTIM)
        assert client.rcpt(world.alice.address, [f"NOTIFY={notify}"])[0] == 250
        assert client.data(mail(subject))[0] == 250
    assert wait_for_message(world.server, world.alice.login, subject)


def test_a_recipient_elsewhere_who_refuses_sends_no_bounce_to_a_forged_sender(
    world: World, elsewhere: Sink
) -> None:
    elsewhere.answer("RCPT full@elsewhere.test", "550 5.2.2 full")
    world.stack.add_alias(world.domain, "forwarded", "full@elsewhere.test")
    world.stack.wait_synced()
    assert deliver(world.server, mail("refused there"), world.at("forwarded"), sender=VICTIM).accepted
    wait_until(
        lambda: "Mail queue is empty" in world.stack.inside("postfix", "postqueue", "-p"), "it is gone", 30
    )


def held_open(stack: ExitStack, world: World, port: int, count: int) -> None:
    for _ in range(count):
        stack.enter_context(socket.create_connection((world.server.host, world.server.port(port)), 20))


@pytest.mark.parametrize("port", [25, 587, 465])
def test_connections_of_one_address_do_not_keep_the_next_client_out(world: World, port: int) -> None:
    """All of them, and the next client, are the bridge's gateway. Postfix's default is 50 of one address."""
    with ExitStack() as stack:
        held_open(stack, world, port, 60)
        login = world.alice.login if port != 25 else None
        sender = world.alice.address if login else STRANGER
        message = mail(f"beside sixty on {port}", sender=sender)
        assert deliver(
            world.server, message, world.bob.address, sender=sender, port=port, login=login
        ).accepted


def test_nobody_is_told_who_has_a_mailbox(world: World) -> None:
    with smtp_session(world.server) as client:
        assert client.docmd("VRFY", world.alice.address)[0] in {502, 252}
        assert client.docmd("EXPN", world.alias)[0] in {500, 502}


def test_one_bad_recipient_does_not_keep_the_good_ones_from_their_mail(world: World) -> None:
    with smtp_session(world.server) as client:
        client.mail(STRANGER)
        codes = [
            client.rcpt(each)[0] for each in (world.at("nobody"), world.alias, VICTIM, world.bob.address)
        ]
        assert codes == [550, 250, 554, 250]
        assert client.data(mail("for two of four"))[0] == 250
    for box in (world.alice, world.bob):
        assert wait_for_message(world.server, box.login, "for two of four")


@pytest.fixture(scope="module")
def operator(world: World) -> Iterator[Box]:
    """Who runs this server: a mailbox, so that the test can look into it."""
    alone = world.stack.add_domain("operator.test")
    box = world.stack.add_mailbox(alone, "op")
    before = world.stack.expect(200, "GET", "/api/mail/relay")["alert_recipients"]
    world.stack.expect(200, "PATCH", "/api/mail/relay", {"alert_recipients": [box.address]})
    box.wait_login()
    wait_until(
        lambda: box.address in world.stack.inside("postfix", "cat", "/mail-config/postfix/aliases"),
        "a sweep brings the operator's address",
        60,
    )
    yield box
    world.stack.expect(200, "PATCH", "/api/mail/relay", {"alert_recipients": before})


def test_what_a_server_must_take_reaches_who_runs_it(world: World, operator: Box) -> None:
    """RFC 5321 section 4.5.1. Postfix takes the names that it completes before it asks any table."""
    recipients = [
        "postmaster",
        "PostMaster",
        f"Postmaster@{OURS}",
        "postmaster@mail.stack.test",
        "abuse@mail.stack.test",
        "double-bounce@mail.stack.test",
    ]
    for number, recipient in enumerate(recipients):
        answer = deliver(world.server, mail(f"duty {number}"), recipient, sender=VICTIM)
        assert answer.accepted, (recipient, answer)
        assert wait_for_message(world.server, operator.login, f"duty {number}")
    assert deliver(world.server, mail("caught"), f"postmaster@{CATCHING}").accepted
    assert wait_for_message(world.server, world.bob.login, "caught")


def test_no_other_name_at_the_host_name_is_taken(world: World, operator: Box) -> None:
    for name in ("mail", "nobody", "opendkim", "mailer-daemon"):
        answer = deliver(world.server, mail("x"), f"{name}@mail.stack.test")
        assert (answer.stage, answer.code) == ("rcpt", 550), answer


def test_mail_of_the_containers_own_programs_reaches_who_runs_the_server(world: World, operator: Box) -> None:
    command = "printf 'Subject: from cron\\n\\nx\\n' | sendmail root"
    world.stack.inside("postfix", "bash", "-c", command)
    assert wait_for_message(world.server, operator.login, "from cron")


# --- 2: what arrives ---------------------------------------------------------------------------------------
def test_ordinary_mail_is_in_the_inbox_with_rspamds_verdict(world: World) -> None:
    assert deliver(world.server, mail("ordinary", to=world.alice.address), world.alice.address).accepted
    message = wait_for_message(world.server, world.alice.login, "ordinary", within=5)
    assert message["X-Spamd-Bar"]
    assert "mail.stack.test" in message["Authentication-Results"]
    assert message["X-Spam"] is None
    assert message["Return-Path"] == f"<{STRANGER}>"


def test_a_results_header_of_the_senders_own_does_not_pass_for_ours(world: World) -> None:
    lie = ("Authentication-Results", "mail.stack.test; dkim=pass header.d=bank.test")
    assert deliver(world.server, mail("lie", headers=[lie]), world.alice.address).accepted
    found = wait_for_message(world.server, world.alice.login, "lie").get_all("Authentication-Results")
    assert found
    assert not any("bank.test" in each for each in found), found


def test_a_catch_all_leaves_real_mailboxes_their_mail(world: World) -> None:
    carol = world.stack.add_mailbox({"id": _domain(world, CATCHING)}, "carol")
    carol.wait_login()
    world.stack.wait_synced()
    assert deliver(world.server, mail("for carol"), [carol.address]).accepted
    assert wait_for_message(world.server, carol.login, "for carol", within=5)
    assert "for carol" not in [each["Subject"] for each in messages(world.server, world.bob.login)]


def _domain(world: World, name: str) -> int:
    results = world.stack.expect(200, "GET", f"/api/mail/domains?search={name}")["results"]
    return int(results[0]["id"])


def test_an_alias_reaches_people_here_and_elsewhere(world: World, elsewhere: Sink) -> None:
    elsewhere.clear()
    world.stack.add_alias(world.domain, "all", world.alice.address, world.bob.address, VICTIM)
    world.stack.wait_synced()
    assert deliver(world.server, mail("for all"), world.at("ALL")).accepted
    for box in (world.alice, world.bob):
        assert wait_for_message(world.server, box.login, "for all", within=5)
    (received,) = elsewhere.wait_for(1)
    assert received.recipients == [VICTIM]


def test_twenty_five_megabytes_are_announced_as_the_limit(world: World) -> None:
    with smtp_session(world.server) as client:
        assert client.esmtp_features["size"] == "26214400"
        assert client.mail(STRANGER, ["SIZE=26214401"])[0] == 552


# --- 6: mail from outside that claims to be ours -----------------------------------------------------------
def test_a_forged_sender_is_scored_as_spam_and_not_signed(world: World) -> None:
    forged = mail("forged", sender=world.bob.address, to=world.alice.address)
    assert deliver(world.server, forged, world.alice.address, sender=world.bob.address).accepted
    raw = wait_for_raw(world.server, world.alice.login, "forged", folder="Junk")
    assert parsed(raw)["X-Spam"] == "Yes"
    assert not world.signatures(raw)


def test_nothing_but_what_was_allowed_has_left(world: World, elsewhere: Sink) -> None:
    """The last one: all that was tried above had time to arrive."""
    assert deliver(world.server, mail("the last"), world.alice.address).accepted
    wait_for_message(world.server, world.alice.login, "the last")
    assert "Mail queue is empty" in world.stack.inside("postfix", "postqueue", "-p")
    assert {received.message["Subject"] for received in elsewhere.mails()} <= {"allowed", "for all"}
