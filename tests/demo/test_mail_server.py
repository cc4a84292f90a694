"""`make demo MAILSERVER=1`: a mail server with letters in it that reaches nobody outside, and is gone with the demo."""

from __future__ import annotations

import imaplib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from demo import mailserver
from tests.demo.running import Demo
from tests.live.mailstack import free_offset
from tests.quazzar.nodes import wait_until
from tests.rig.daemon import Daemon
from tests.rig.images import Images
from tests.rig.mailclients import Login, Server, deliver, imap_login, raw_messages

pytestmark = [pytest.mark.real, pytest.mark.thorough]

_PATIENCE = 300.0


def _left(client: docker.DockerClient, name: str) -> list[Any]:
    """What exists on the Engine under this project's name."""
    parts: tuple[Any, ...] = (
        *client.containers.list(all=True, ignore_removed=True),
        *client.networks.list(),
        *client.volumes.list(),
    )
    return [part for part in parts if str(part.name).startswith(name)]


@pytest.fixture
def folder(docker_client: docker.DockerClient, tmp_path: Path) -> Iterator[Path]:
    """The demo's folder; a demo that failed leaves nothing on the Engine either."""
    yield tmp_path / "demo"
    for part in _left(docker_client, mailserver.project(tmp_path / "demo")):
        part.remove(**({"v": True, "force": True} if isinstance(part, Container) else {}))


def test_it_has_letters_reaches_nobody_outside_and_leaves_nothing_behind(
    docker_daemon: Daemon, docker_client: docker.DockerClient, stack_images: Images, folder: Path
) -> None:
    server = Server(free_offset())
    name = mailserver.project(folder)
    env = {
        "DOCKER_HOST": docker_daemon.url,
        "QUAZZAR_IMAGE_POSTFIX": stack_images.postfix,
        "QUAZZAR_IMAGE_DOVECOT": stack_images.dovecot,
        "QUAZZAR_IMAGE_RSPAMD": stack_images.rspamd,
        "QUAZZAR_STACK_PORT_OFFSET": str(server.offset),
    }
    with Demo(folder, mail_server=env) as demo:
        ada = Login(*demo.mailbox)
        wait_until(lambda: _letters(server, ada), "a letter to Ada", _PATIENCE)
        assert not imap_login(server, Login(ada.address, "wrong"))
        postfix = docker_client.containers.get(f"{name}-postfix")
        # An address that answers on this port for anybody who has a way to it: no connection comes about.
        out = postfix.exec_run(["timeout", "5", "bash", "-c", "exec 3<>/dev/tcp/1.1.1.1/53"])
        assert out.exit_code != 0
        (network,) = docker_client.networks.list(names=[name])
        assert network.attrs["Options"]["com.docker.network.bridge.enable_ip_masquerade"] == "false"
        mail = b"From: ada@harbour.example\r\nSubject: Out\r\n\r\nHello\r\n"
        sent = deliver(server, mail, "friend@elsewhere.example", sender=ada.address, port=587, login=ada)
        assert sent.accepted, sent
        wait_until(lambda: "friend@elsewhere" in _queue(postfix), "mail to others waits", _PATIENCE)
        demo.node.stop(signal.SIGINT)
        assert "Removing the demo's mail server" in demo.node.text
    assert not _left(docker_client, name)


def _letters(server: Server, login: Login) -> list[bytes]:
    """What is in the mailbox; nothing while the server is still starting."""
    try:
        return raw_messages(server, login)
    except (OSError, imaplib.IMAP4.error):
        return []


def _queue(postfix: Container) -> str:
    return bytes(postfix.exec_run(["mailq"]).output).decode(errors="replace")  # type: ignore[arg-type]
