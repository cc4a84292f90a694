"""Parts of the stack fail, or are made anew: nothing is lost, and what is broken is put right. And: no secret shows."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.live.mailstack import MailStack, enabled
from tests.quazzar.nodes import wait_until
from tests.rig.daemon import project
from tests.rig.mailclients import Answer, deliver, imap_login, mail, wait_for_message
from tests.rig.standins import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from tests.rig.daemon import Daemon
    from tests.rig.images import Images

pytestmark = pytest.mark.real

DOMAIN = "outages.test"
RELAY_PASSWORD = "relay-secret-7f1c9a"


class World:
    """A stack of its own, because its containers are stopped."""

    def __init__(self, stack: MailStack) -> None:
        self.stack = stack
        self.server = stack.server
        self.domain = stack.add_domain(DOMAIN)
        self.alice = stack.add_mailbox(self.domain, "alice", "alice-secret-51d0")
        self.alice.wait_login()
        stack.wait_synced()

    def send(self, subject: str) -> Answer:
        """From outside to Alice."""
        return deliver(self.server, mail(subject, to=self.alice.address), self.alice.address)


@pytest.fixture(scope="module")
def world(
    docker_daemon: Daemon,
    docker_client: docker.DockerClient,
    stack_images: Images,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    with project(docker_daemon) as name:
        directory = tmp_path_factory.mktemp("outages")
        with enabled(directory, docker_client, stack_images, name) as stack:
            yield World(stack)


@pytest.fixture(scope="module")
def outside(world: World, docker_client: docker.DockerClient, stack_images: Images) -> Iterator[Sink]:
    """The provider behind the relay settings, on the stack's network."""
    sink = Sink(
        docker_client, stack_images.sink, project=world.stack.project, network=world.stack.project,
        names=["relay.outside.test"], login=f"node:{RELAY_PASSWORD}",
    )  # fmt: skip
    with closing(sink):
        sink.start()
        yield sink


def test_rspamd_down_means_later_and_then_it_is_back(world: World) -> None:
    world.stack.container("rspamd").stop(timeout=1)
    assert world.send("while rspamd is out").code == 451
    wait_until(lambda: world.send("rspamd is back").accepted, "the sweep started it again", 120)
    assert wait_for_message(world.server, world.alice.login, "rspamd is back")


def test_dovecot_stopped_means_later_and_nothing_accepted_is_lost(world: World) -> None:
    world.stack.container("dovecot").stop(timeout=5)
    answer = world.send("while dovecot is out")
    assert answer.accepted or answer.code == 451, answer
    wait_until(lambda: logs_in(world), "the sweep started it again", 120)
    wait_until(lambda: world.send("dovecot is back").accepted, "mail is taken again", 60)
    assert wait_for_message(world.server, world.alice.login, "dovecot is back", within=60)
    if answer.accepted:
        assert wait_for_message(world.server, world.alice.login, "while dovecot is out", within=90)


def logs_in(world: World) -> bool:
    try:
        return imap_login(world.server, world.alice.login)
    except OSError:  # nobody listens yet
        return False


def test_mail_goes_out_through_the_relay_and_not_when_that_is_switched_off(
    world: World, outside: Sink
) -> None:
    world.stack.expect(200, "PUT", "/api/mail/relay", {
        "provider": "custom", "host": "relay.outside.test", "port": 25, "security": "none", "username": "",
        "from_address": "node@outages.test",
    })  # fmt: skip
    world.stack.expect(200, "PATCH", "/api/mail/stack", {"send_through_relay": True})
    world.stack.wait_synced()
    wait_until(lambda: "relay.outside.test" in relayhost(world), "the relayhost is set", 20)
    message = mail("to the world", sender=world.alice.address, to="far@away.test")
    assert deliver(
        world.server, message, "far@away.test", sender=world.alice.address, port=587, login=world.alice.login
    ).accepted
    (arrived,) = outside.wait_for(1, 60)
    assert arrived.message["Subject"] == "to the world" and arrived.message["DKIM-Signature"]
    world.stack.expect(200, "PATCH", "/api/mail/stack", {"send_through_relay": False})
    world.stack.wait_synced()
    wait_until(lambda: not relayhost(world), "the relayhost is gone", 20)


def relayhost(world: World) -> str:
    return world.stack.inside("postfix", "postconf", "-h", "relayhost").strip()


def test_a_dead_postfix_is_started_again_with_its_queue(world: World, outside: Sink) -> None:
    world.stack.expect(200, "PATCH", "/api/mail/stack", {"send_through_relay": True})
    world.stack.wait_synced()
    wait_until(lambda: "relay.outside.test" in relayhost(world), "the relayhost is set", 20)
    outside.answer("MAIL", "451 later")
    message = mail("queued", sender=world.alice.address, to="far@away.test")
    assert deliver(
        world.server, message, "far@away.test", sender=world.alice.address, port=587, login=world.alice.login
    ).accepted
    # Gone, as if somebody had removed it by hand; the product makes another one on the same volumes.
    world.stack.container("postfix").remove(force=True, v=True)
    outside.answer("MAIL", None)
    subjects = lambda: [each.message["Subject"] for each in outside.mails()]  # noqa: E731
    wait_until(lambda: "queued" in subjects(), "the queued mail left", 180)
    world.stack.wait_phase("healthy", 120)


def test_a_file_edited_by_hand_is_put_right(world: World) -> None:
    world.stack.inside("dovecot", "sh", "-c", "sed -i '/^alice@/d' /etc/dovecot/users")
    done = world.stack.run("manage.py", "reconcile", "--dry-run")
    assert done.returncode == 1 and b"users" in done.stdout
    world.stack.manage("reconcile")
    world.alice.wait_login()
    assert b"Nothing differs" in world.stack.run("manage.py", "reconcile", "--dry-run").stdout


def test_nothing_secret_shows(world: World) -> None:
    stack = world.stack
    controller = stack.expect(200, "POST", "/api/mail/stack/controller-password", {})["password"]
    stack.expect(200, "PATCH", "/api/mail/relay", {"username": "node", "password": RELAY_PASSWORD})
    stack.wait_synced()
    secrets = [world.alice.password, controller, RELAY_PASSWORD, "BEGIN PRIVATE KEY"]
    for service in ("postfix", "dovecot", "rspamd"):
        container = stack.container(service)
        seen = json.dumps(container.attrs) + container.logs().decode(errors="replace")
        seen += str(container.top())
        assert not [secret for secret in secrets if secret in seen], service
    users = stack.inside("dovecot", "cat", "/etc/dovecot/users")
    assert world.alice.password not in users and "{ARGON2ID}" in users
    rows = b"".join(file.read_bytes() for file in stack.data.glob("quazzar.sqlite3*"))
    broker = b"".join(file.read_bytes() for file in stack.data.rglob("broker/**/*") if file.is_file())
    assert not [secret for secret in secrets if secret.encode() in rows + broker + stack.node.text.encode()]


def test_rspamd_cannot_read_what_is_not_for_it(world: World) -> None:
    for path in ("users", "tls/tls.key", "postfix/sasl_passwd"):
        result = world.stack.container("rspamd").exec_run(["cat", f"/mail-config/{path}"], user="11333")
        assert result.exit_code, path
