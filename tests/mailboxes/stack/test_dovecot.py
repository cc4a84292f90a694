"""What a real Dovecot with our configuration tells: how full the mailboxes are, and what a health check leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from mailboxes.certificates import pem
from mailboxes.engine.client import Engine
from mailboxes.models import Mailbox
from mailboxes.provisioning import foreignhashes
from mailboxes.push import render
from mailboxes.quota import usage
from mailboxes.stack import logs
from mailboxes.stack.blueprint import configuration, services
from tests.mailboxes import factories
from tests.mailboxes.goldencases import box, snapshot_of
from tests.rig import wait_until
from tests.rig.standins import put, running, said

if TYPE_CHECKING:
    import docker

    from tests.rig.images import Images

pytestmark = [pytest.mark.real, pytest.mark.django_db]
USERS = b"""# quazzar generation 3
ada@example.com:{CRYPT}*::::/srv/vmail/example.com/ada::userdb_quota_storage_size=1M
bob@example.com:{CRYPT}*::::/srv/vmail/example.com/bob::
"""
MAIL = "From: cyn@example.net\nSubject: big\n\n" + "x" * 70 + "\n"


@dataclass(frozen=True)
class Dovecot:
    """A container of its own, by its name."""

    engine: Engine
    container: Any
    name: str

    def deliver(self, address: str, kib: int) -> None:
        script = (
            f"(printf '{MAIL}'; head -c {kib * 1024 * 3 // 4} /dev/zero | base64) | doveadm save -u {address}"
        )
        code, output = said(self.container, "bash", "-c", script)
        assert code == 0, output


@pytest.fixture(scope="module")
def dovecot(
    docker_client: docker.DockerClient, stack_images: Images, shared_stack_project: str
) -> Iterator[Dovecot]:
    certificate, key = pem.self_signed("mail.example.com")
    rendered = configuration.static_files("mail.example.com", "", "")
    files = {file.path: file.data for file in rendered if not file.path.startswith("rspamd")}
    files |= {"users": USERS, "tls/tls.crt": certificate.encode(), "tls/tls.key": key.encode()}
    name = f"{shared_stack_project}-dovecot"
    ours = {"name": name, "labels": {"quazzar.project": shared_stack_project}}
    with running(docker_client, stack_images.dovecot, command=["sleep", "infinity"], **ours) as container:
        put(container, "/etc/dovecot", files)
        assert said(container, "chown", "vmail", "/srv/vmail") == (0, "")
        # Its log is its output, and a log that cannot be written ends it: so not the pipe of this command.
        assert said(container, "bash", "-c", "/dovecot/sbin/dovecot >/tmp/dovecot.log 2>&1")[0] == 0
        with Engine() as engine:
            wait_until(lambda: said(container, "doveadm", "who")[0] == 0)
            yield Dovecot(engine, container, name)


def test_usage_is_known_with_and_without_quota(dovecot: Dovecot) -> None:
    for address in ("ada@example.com", "bob@example.com"):
        factories.mailbox(address, live_at=timezone.now())
        dovecot.deliver(address, 300)
    assert usage.refresh(dovecot.engine, dovecot.name) == 2
    for used in Mailbox.objects.values_list("usage_bytes", flat=True):
        assert 300 * 1024 < used < 330 * 1024


def test_usage_of_an_empty_mailbox_is_nothing(dovecot: Dovecot) -> None:
    factories.mailbox("ada@example.com", usage_bytes=5, live_at=timezone.now())
    said(dovecot.container, "doveadm", "expunge", "-u", "ada@example.com", "mailbox", "INBOX", "all")
    usage.refresh(dovecot.engine, dovecot.name)
    assert Mailbox.objects.get().usage_bytes == 0


def test_a_broken_mailbox_does_not_hide_the_others(dovecot: Dovecot) -> None:
    for address in ("ada@example.com", "bob@example.com"):
        factories.mailbox(address, live_at=timezone.now())
    dovecot.deliver("bob@example.com", 10)
    said(
        dovecot.container,
        "bash",
        "-c",
        "rm -rf /srv/vmail/example.com/ada && touch /srv/vmail/example.com/ada",
    )
    assert usage.refresh(dovecot.engine, dovecot.name) == 1


def test_every_hash_that_an_import_takes_lets_its_owner_in(dovecot: Dovecot) -> None:
    # Dovecot makes them itself; ARGON2I and the others are what it was built with.
    written = {}
    for scheme in foreignhashes.TAKEN.split(", "):
        code, made = said(dovecot.container, "doveadm", "pw", "-s", scheme, "-p", "old secret")
        assert code == 0, made
        written[f"{scheme.lower()}@example.com"] = foreignhashes.stored(made.strip().partition("}")[2])
    snapshot = snapshot_of(*(box(address, password_hash=hashed) for address, hashed in written.items()))
    put(dovecot.container, "/etc/dovecot", {"users": render.users(replace(snapshot, generation=4))})

    def accepted(address: str, password: str) -> bool:
        return said(dovecot.container, "doveadm", "auth", "test", address, password)[0] == 0

    try:
        wait_until(lambda: accepted("argon2id@example.com", "old secret"), 10, "Dovecot to read the file")
        assert [address for address in written if not accepted(address, "old secret")] == []
        # Each failure costs a delay, so one of them stands for all.
        assert not accepted("blf-crypt@example.com", written["blf-crypt@example.com"])
    finally:
        put(dovecot.container, "/etc/dovecot", {"users": USERS})


def test_what_the_health_check_leaves_is_noise(
    docker_client: docker.DockerClient, stack_images: Images, stack_project: str, settings: Any
) -> None:
    settings.QUAZZAR_STACK_PROJECT = stack_project
    check = services.for_hostname("mail.example.com").service("dovecot").healthcheck
    assert check is not None
    with (
        running(docker_client, stack_images.dovecot, name=f"{stack_project}-dovecot") as container,
        Engine() as engine,
    ):
        wait_until(lambda: said(container, *check.test[1:])[0] == 0)
        wait_until(lambda: b"no auth attempts" in container.logs())
        shown = logs.read("dovecot", 50, engine)
    assert "starting up" in shown and "no auth attempts" not in shown


def test_a_container_of_an_older_release_goes_on_with_its_ports(dovecot: Dovecot) -> None:
    """As here: without the volume of the sockets. Its Postfix asks the ports until both are created again."""
    for port in (24, 12345, 12340):
        assert said(dovecot.container, "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}")[0] == 0, port
