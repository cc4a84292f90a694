"""Another certificate for the running stack: every port serves it, no container is restarted, no session ends."""

from __future__ import annotations

import contextlib
import imaplib
import smtplib
import ssl
from typing import TYPE_CHECKING

import pytest

from mailboxes.certificates import pem as certificates
from tests.live.mailworld import World, undisturbed
from tests.quazzar.nodes import wait_until
from tests.rig.mailclients import imap_session, smtp_session, trusting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import MailStack

pytestmark = [pytest.mark.real, pytest.mark.thorough]

PATH = "/api/mail/stack/certificate"
PORTS = (25, 587, 465, 143, 993)


@pytest.fixture(scope="module")
def world(mailstack: MailStack) -> Iterator[World]:
    """At the end the stack has a certificate of its own again."""
    found = World(mailstack, "certificate.test")
    with undisturbed(mailstack, found.bob):
        yield found
        before = served(found, 993)
        mailstack.expect(200, "PUT", PATH, {"self_signed": True})
        wait_until(lambda: served(found, 993) != before, "our own is back", 15)


def served(world: World, port: int) -> str:
    """The certificate in PEM that a client of this port gets."""
    if port in {993, 465}:
        return ssl.get_server_certificate((world.server.host, world.server.port(port))).strip()
    if port == 143:
        with imaplib.IMAP4(world.server.host, world.server.port(port), 20) as reader:
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
    with imap_session(world.server, world.alice.login) as session, submission(world) as sending:
        for _ in range(2):
            certificate, key = certificates.self_signed("mail.stack.test")
            world.stack.expect(200, "PUT", PATH, {"certificate": certificate, "key": key})
            for port in PORTS:
                wait_served(world, port, certificate)
        assert session.noop()[0] == "OK"
        assert sending.noop()[0] == 250


def wait_served(world: World, port: int, certificate: str) -> None:
    wait_until(lambda: served(world, port) == certificate.strip(), f"{port} serves it", 15)


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
    world.stack.expect(400, "PUT", PATH, pair)
    assert served(world, 993) == before
