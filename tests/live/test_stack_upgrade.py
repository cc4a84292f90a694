"""The images are upgraded while mail comes in: new ones that work run afterwards, a broken one is rolled back.

All of it behind the proxy that we ship for Docker's socket: it must let every call through.
"""

from __future__ import annotations

import io
import smtplib
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.mailworld import World, outside
from tests.quazzar.nodes import wait_until
from tests.rig import or_skip
from tests.rig.daemon import project
from tests.rig.mailclients import deliver, imap_login, mail, messages, wait_for_message
from tests.rig.socketproxy import SocketProxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

    from tests.rig.daemon import Daemon
    from tests.rig.images import Images
    from tests.rig.standins import Sink

from tests.live.mailstack import enabled

pytestmark = [pytest.mark.real, pytest.mark.thorough]

OURS, TO = "upgrade.test", "friend@far.test"
IMAGES = "/api/mail/stack/images"
#: What makes an image another one.
FINE = "LABEL quazzar.test=newer"
#: Service → what breaks its image, so that the container is healthy all the same.
BROKEN = {
    # The program that serves a mailbox after its owner has signed in.
    "dovecot": "RUN printf '#!/bin/sh\\nexit 1\\n' >/usr/lib/dovecot/imap",
    # The filter that signs.
    "postfix": "RUN sed -i '2i postconf -e smtpd_milters=' /scripts/postfix.sh",
}
#: Seconds that an upgrade may take on a busy machine.
ENDS = 420


class Stranger(threading.Thread):
    """Another mail server: sends a mail every now and then, and sends each again until it is accepted."""

    def __init__(self, world: World) -> None:
        super().__init__(daemon=True)
        self._world = world
        self._over = threading.Event()
        self.accepted: list[str] = []
        self.refused = 0

    def run(self) -> None:
        number = 0
        while not self._over.wait(0.5):
            number += 1
            subject = f"mail {number} of {self.name}"
            message = mail(subject, to=self._world.bob.address)
            while not self._is_accepted(message):
                self.refused += 1
                if self._over.wait(0.5):
                    return
            self.accepted.append(subject)

    def _is_accepted(self, message: bytes) -> bool:
        try:
            return deliver(self._world.server, message, self._world.bob.address).accepted
        except (OSError, smtplib.SMTPException):
            return False

    def stop(self) -> None:
        self._over.set()
        self.join(60)


@pytest.fixture(scope="module")
def world(
    docker_daemon: Daemon,
    docker_client: docker.DockerClient,
    stack_images: Images,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    """A stack of its own whose images have names that a test may move."""
    directory: Path = tmp_path_factory.mktemp("upgrade")
    socket, proxies = docker_daemon.url.removeprefix("unix://"), tmp_path_factory.mktemp("proxy")
    with project(docker_daemon) as name:
        proxy = or_skip(lambda: SocketProxy(proxies, name, socket))
        names = {each: f"{name}-{each}:test" for each in ("postfix", "dovecot", "rspamd")}
        for service, ref in names.items():
            move(docker_client, ref, getattr(stack_images, service), "LABEL quazzar.test=first")
        env = {f"QUAZZAR_IMAGE_{service.upper()}": ref for service, ref in names.items()}
        try:
            with (
                proxy,
                enabled(directory, docker_client, stack_images, name, DOCKER_HOST=proxy.url, **env) as stack,
            ):
                yield World(stack, OURS)
                assert [call for call in proxy.calls() if call[0] == 403] == []
        finally:
            for ref in names.values():
                docker_client.images.remove(ref, force=True)


@pytest.fixture(scope="module")
def far(world: World, stack_images: Images) -> Iterator[Sink]:
    with outside(world.stack, stack_images, ["far.test"]) as sink:
        yield sink


def move(client: docker.DockerClient, ref: str, base: str, line: str) -> str:
    """Builds an image from another with a line more, gives it a name, and returns its id."""
    dockerfile = io.BytesIO(f"FROM {base}\n{line}\n".encode())
    image, _ = client.images.build(fileobj=dockerfile, tag=ref, rm=True, forcerm=True)
    return str(image.id)


def new_image(world: World, images: Images, service: str, line: str) -> str:
    return move(world.stack.client, f"{world.stack.project}-{service}:test", getattr(images, service), line)


def running(world: World) -> dict[str, str]:
    return {
        service: str(world.stack.container(service).attrs["Image"])
        for service in ("postfix", "dovecot", "rspamd")
    }


def state(world: World) -> dict[str, Any]:
    """The upgrade, as the API shows it."""
    return dict(world.stack.expect(200, "GET", IMAGES)["upgrade"] or {"state": "none", "finished_at": None})


def wait_for_step(world: World, step: str) -> None:
    """Wait until the upgrade has got that far."""
    wait_until(
        lambda: any(each["state"] == step for each in state(world).get("steps", ())), f"it is {step}", ENDS
    )


def ended(world: World) -> dict[str, Any]:
    wait_until(lambda: state(world)["finished_at"] is not None, "the upgrade has ended", ENDS)
    return state(world)


def subjects(world: World) -> Counter[str]:
    return Counter(str(each["Subject"]) for each in messages(world.server, world.bob.login))


def check_nothing_lost(world: World, stranger: Stranger) -> None:
    """Each accepted mail is in the mailbox, and nothing of the upgrade is left."""
    stranger.stop()
    world.stack.wait_phase("healthy")
    wait_until(lambda: set(stranger.accepted) <= set(subjects(world)), "every accepted mail arrives", 120)
    found = subjects(world)
    # Postfix delivers again what Dovecot had stored, but not acknowledged, when it was stopped (RFC 5321 §4.5.4.1):
    # one mail of each connection, at most.
    doubled = {subject: found[subject] for subject in stranger.accepted if found[subject] > 1}
    assert sum(doubled.values()) <= 2 * 2, doubled
    world.stack.check_parts("healthy")
    assert world.stack.inside("postfix", "bash", "-c", "ls -A /mail-data | grep quazzar || true") == ""
    assert "upgrade-" not in world.stack.inside("postfix", "postqueue", "-p")
    assert "No differences." in world.stack.manage("reconcile", "--dry-run")


def test_newer_images_are_proved_and_run_although_workers_are_killed(
    world: World, far: Sink, stack_images: Images
) -> None:
    far.answer("RCPT", "451 4.3.0 later")
    assert world.submit("waits in the queue", TO).accepted
    wait_until(lambda: "later" in world.stack.inside("postfix", "postqueue", "-p"), "it waits", 60)
    before = running(world)
    after = {
        service: new_image(world, stack_images, service, FINE) for service in ("postfix", "dovecot", "rspamd")
    }
    found = world.stack.expect(200, "POST", f"{IMAGES}/look", {})["images"]
    assert {each["service"]: each["newer"]["id"] for each in found} == after
    assert running(world) == before
    stranger = Stranger(world)
    stranger.start()
    wait_until(lambda: len(stranger.accepted) > 1, "the first mails are accepted", 60)
    world.stack.expect(202, "POST", f"{IMAGES}/upgrade", {})
    for step in ("saving", "switching"):
        wait_for_step(world, step)
        world.stack.kill("worker")  # the sweep of the next one takes it up
    upgrade = ended(world)
    assert (upgrade["state"], upgrade["error"]) == ("done", None), world.stack.node.text[-4000:]
    assert [each["id"] for each in upgrade["proofs"] if each["ok"]] == [
        "login", "wrong_password", "delivery", "incoming", "signature"
    ]  # fmt: skip
    assert running(world) == after
    count = len(stranger.accepted)
    wait_until(lambda: len(stranger.accepted) > count, "mail is accepted again", 60)
    check_nothing_lost(world, stranger)
    assert stranger.refused  # for the time that the ports were closed
    far.answer("RCPT", None)
    world.stack.inside("postfix", "postqueue", "-f")
    assert [each.message["Subject"] for each in far.wait_for(1, 60)] == ["waits in the queue"]


@pytest.mark.parametrize(("service", "failed"), [("dovecot", "login"), ("postfix", "signature")])
def test_a_broken_image_is_rolled_back_and_nothing_is_lost(
    world: World, stack_images: Images, service: str, failed: str
) -> None:
    assert deliver(world.server, mail("kept", to=world.bob.address), world.bob.address).accepted
    wait_for_message(world.server, world.bob.login, "kept", within=60)
    before = running(world)
    new_image(world, stack_images, service, BROKEN[service])
    stranger = Stranger(world)
    stranger.start()
    wait_until(lambda: len(stranger.accepted) > 1, "the first mails are accepted", 60)
    done = world.stack.run("manage.py", "upgrade_images")
    assert done.returncode == 1, done.stdout.decode()
    assert "Rolled back" in done.stdout.decode()
    upgrade = state(world)
    assert (upgrade["state"], upgrade["failed_at"]) == ("rolled_back", "proving"), upgrade
    assert [each["id"] for each in upgrade["proofs"] if not each["ok"]] == [failed]
    assert running(world) == before and imap_login(world.server, world.alice.login)
    assert subjects(world)["kept"] >= 1
    # Nothing is pending any more.
    world.stack.client.images.get(before[service]).tag(f"{world.stack.project}-{service}", "test")
    check_nothing_lost(world, stranger)
