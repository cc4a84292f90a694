"""The running stack's mail leaves by the relay settings, or straight: switched, and no container is restarted."""

from __future__ import annotations

import re
import ssl
import time
from typing import TYPE_CHECKING

import pytest

from tests.live.mailworld import World, outside, undisturbed
from tests.quazzar.nodes import wait_until
from tests.rig.ca import CertificateAuthority
from tests.rig.mailclients import wait_for_message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.mailstack import MailStack
    from tests.rig.images import Images
    from tests.rig.standins import Sink

pytestmark = pytest.mark.real

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n")
RELAY, USER, PASSWORD = "smtp.provider.test", "node", "relay-secret-81d2"


@pytest.fixture(scope="module")
def world(mailstack: MailStack) -> Iterator[World]:
    found = World(mailstack, "smarthost.test")
    with undisturbed(mailstack, found.bob):
        yield found


@pytest.fixture(scope="module")
def provider(world: World, stack_images: Images) -> Iterator[Sink]:
    """A relay with a certificate that Postfix believes, and a login; it also is the rest of the world."""
    certificate = world.stack.authority.issue([RELAY])
    with outside(world.stack, stack_images, [RELAY, "other.provider.test", "far.test"],
                 login=f"{USER}:{PASSWORD}", certificate=certificate) as sink:  # fmt: skip
        yield sink
    world.stack.expect(200, "PATCH", "/api/mail/stack", {"send_through_relay": False})
    world.stack.expect(204, "DELETE", "/api/mail/relay")
    world.stack.wait_synced()


def use_relay(world: World, *, on: bool = True, **fields: object) -> None:
    """The relay settings, and whether the stack's mail leaves by them."""
    relay = {
        "provider": "custom",
        "host": RELAY,
        "password": None,
        "from_address": "node@provider.test",
        **fields,
    }
    world.stack.expect(200, "PUT", "/api/mail/relay", relay)
    world.stack.expect(200, "PATCH", "/api/mail/stack", {"send_through_relay": on})
    world.stack.wait_synced(20)


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465)])
def test_mail_leaves_through_the_relay_with_its_login_and_signed(
    world: World, provider: Sink, security: str, port: int
) -> None:
    provider.clear()
    use_relay(world, port=port, security=security, username=USER, password=PASSWORD)
    assert world.submit(f"by {security}", "friend@far.test").accepted
    (received,) = provider.wait_for(1)
    assert (received.port, received.user, received.encrypted) == (port, USER, True)
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
    assert wait_for_message(world.server, world.bob.login, "stays here", within=5)
    assert provider.mails() == []


@pytest.mark.thorough
def test_the_password_is_not_given_to_a_relay_with_another_name(world: World, provider: Sink) -> None:
    provider.clear()
    use_relay(world, host="other.provider.test", port=587, security="starttls", username=USER,
              password=PASSWORD)  # fmt: skip
    assert world.submit("not to be sent", "friend@far.test").accepted
    wait_until(lambda: "certificate" in queue(world), "it waits in the queue, and the reason is said", 30)
    assert provider.mails() == []
    wait_until(lambda: "certificate" in waiting(world), "the API says what waits, and why", 45)
    (listed,) = world.stack.expect(200, "GET", "/api/mail/stack/queue")["messages"]
    assert (listed["sender"], listed["recipients"][0]["address"]) == (world.alice.address, "friend@far.test")
    # Trying it again changes nothing while the certificate is wrong; a mail that is not there is said to be gone.
    assert world.stack.expect(202, "POST", "/api/mail/stack/queue/retry", {"id": listed["id"]}) == {
        "count": 1
    }
    assert world.stack.expect(202, "POST", "/api/mail/stack/queue/retry", {}) == {"count": 1}
    world.stack.expect(404, "POST", "/api/mail/stack/queue/retry", {"id": "4bXk2Q1y8Lz3d"})
    assert provider.mails() == []
    # With the right name it leaves at once.
    use_relay(world, port=587, security="starttls", username=USER, password=PASSWORD)
    (received,) = provider.wait_for(1)
    assert received.message["Subject"] == "not to be sent"


def test_a_wrong_password_is_tried_once_or_twice_and_the_right_one_at_once(
    world: World, provider: Sink
) -> None:
    """As the product's own queue does: fail2ban bans at five failed logins in ten minutes."""
    provider.clear()
    began = int(time.time())
    use_relay(world, port=587, security="starttls", username=USER, password="wrong")
    names = [f"waits {number}" for number in range(6)]
    for name in names:
        assert world.submit(name, "friend@far.test").accepted
    wait_until(lambda: queue(world).count("535 5.7.8") == len(names), "all wait", 60)
    for _ in range(3):
        world.stack.inside("postfix", "postqueue", "-f")
        wait_until(lambda: queue(world).count("[CACHED]") == len(names), "nobody tries it again", 60)
    said = world.stack.container("postfix").logs(since=began).decode("utf-8", "replace")
    assert 1 <= said.count("status=deferred (SASL authentication failed") <= 2
    use_relay(world, port=587, security="starttls", username=USER, password=PASSWORD)
    assert {mail.message["Subject"] for mail in provider.wait_for(len(names))} == {*names}


@pytest.mark.thorough
def test_another_authority_in_the_nodes_file_reaches_postfix_by_itself(
    world: World, provider: Sink, tmp_path: Path
) -> None:
    """Nothing is started again, and mail that waits for it leaves."""
    provider.clear()
    use_relay(world, port=587, security="starttls", username=USER, password=PASSWORD)
    file = world.stack.authority.ca_file
    trusted, other = file.read_bytes(), CertificateAuthority(tmp_path).ca_file.read_bytes()
    try:
        file.write_bytes(other)
        wait_until(lambda: in_force(world) == other, "Postfix trusts another authority", 60)
        assert world.submit("from nobody known", "friend@far.test").accepted
        wait_until(lambda: "certificate" in queue(world), "it waits in the queue, and the reason is said", 30)
        assert provider.mails() == []
        # Nobody else may see a key, and an invalid certificate must not switch TLS off.
        file.write_bytes(world.stack.authority.issue([RELAY]).key_file.read_bytes() + b"rubbish\n" + trusted)
        (received,) = provider.wait_for(1, timeout=60)
        assert received.encrypted and in_force(world) == trusted
        file.unlink()
        wait_until(lambda: in_force(world) != trusted, "an authority that is gone is no longer trusted", 60)
        said = world.stack.run("manage.py", "doctor").stdout.decode()
        assert f"SSL_CERT_FILE names {file}, which does not exist." in said
    finally:
        file.write_bytes(trusted)


def in_force(world: World) -> bytes:
    """Of the authorities that Postfix trusts, those of tests, as PEM."""
    path = world.stack.inside("postfix", "postconf", "-h", "smtp_tls_CAfile").strip()
    every = _PEM.findall(world.stack.inside("postfix", "cat", path))
    name = CertificateAuthority.NAME.encode()
    return "".join(pem for pem in every if name in ssl.PEM_cert_to_DER_cert(pem)).encode()


def test_switched_off_mail_leaves_straight_to_its_destination(world: World, provider: Sink) -> None:
    provider.clear()
    use_relay(world, on=False, port=587, security="starttls", username=USER, password=PASSWORD)
    assert world.submit("straight", "friend@far.test").accepted
    (received,) = provider.wait_for(1)
    assert (received.port, received.user) == (25, None)
    assert "queue is empty" in queue(world)


def waiting(world: World) -> str:
    summary = world.stack.expect(200, "GET", "/api/mail/stack")["mail_queue"] or {}
    return str([reason["text"] for reason in summary.get("reasons", ())])


def queue(world: World) -> str:
    return world.stack.inside("postfix", "postqueue", "-p")
