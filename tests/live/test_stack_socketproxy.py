"""The mail server behind the proxy that we ship for Docker's socket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.mailstack import enabled
from tests.rig import or_skip
from tests.rig.mailclients import deliver, mail, wait_for_message
from tests.rig.socketproxy import SocketProxy

if TYPE_CHECKING:
    import docker

    from tests.rig.daemon import Daemon
    from tests.rig.images import Images

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.thorough]


def test_it_starts_takes_mail_and_goes_and_nothing_that_it_asks_is_refused(
    tmp_path: Path,
    docker_daemon: Daemon,
    docker_client: docker.DockerClient,
    stack_images: Images,
    stack_project: str,
) -> None:
    socket = docker_daemon.url.removeprefix("unix://")
    proxy = or_skip(lambda: SocketProxy(tmp_path, stack_project, socket))
    folder = tmp_path / "node"
    folder.mkdir()
    with proxy, enabled(folder, docker_client, stack_images, stack_project, DOCKER_HOST=proxy.url) as stack:
        stack.expect(200, "POST", "/api/mail/stack/preflight", {"hostname": "mail.stack.test"})
        box = stack.add_mailbox(stack.add_domain("proxied.test"), "alice")
        box.wait_login()
        assert deliver(stack.server, mail("Hello", to=box.address), box.address).accepted
        assert wait_for_message(stack.server, box.login, "Hello")
        stack.wait_synced()
        assert stack.expect(200, "GET", "/api/mail/stack/queue")["count"] == 0
        stack.expect(202, "POST", "/api/mail/stack/repair", {})
        stack.disable(purge=True, confirm="mail.stack.test")
        calls = proxy.calls()
    assert len(calls) > 100
    assert [call for call in calls if call[0] == 403] == []
    assert not docker_client.containers.list(all=True, filters={"label": f"quazzar.project={stack_project}"})
