"""The drill: a running node is backed up, everything of it is removed, and an empty machine becomes that node."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import pytest

from tests.live.mailstack import MailStack
from tests.live.mailworld import World, outside, public_key
from tests.quazzar.nodes import wait_until
from tests.rig.daemon import LABEL, project
from tests.rig.mailclients import deliver, imap_login, mail, messages, signatures, wait_for_message

if TYPE_CHECKING:
    from pathlib import Path

    import docker

    from tests.rig.daemon import Daemon
    from tests.rig.images import Images

pytestmark = [pytest.mark.real, pytest.mark.thorough]

OURS, TO = "drill.test", "friend@far.test"
VOLUMES = ("config", "data", "dkim", "sockets")
RESTORED = 240.0


def test_everything_is_removed_and_comes_back_from_the_backup(
    docker_daemon: Daemon, docker_client: docker.DockerClient, stack_images: Images, tmp_path: Path
) -> None:
    passphrase, backup = tmp_path / "passphrase", tmp_path / "node.backup"
    passphrase.write_text("correct horse battery\n")
    passphrase.chmod(0o600)
    secret = ("--passphrase-file", str(passphrase))
    with project(docker_daemon) as name:
        stack = MailStack(tmp_path, docker_client, stack_images, name)
        with stack:
            stack.enable()
            world = World(stack, OURS)
            key = public_key(stack, OURS)
            with outside(stack, stack_images, ["far.test"]) as far:
                far.answer("RCPT", "451 4.3.0 later")
                assert deliver(world.server, mail("kept", to=world.bob.address), world.bob.address).accepted
                wait_for_message(world.server, world.bob.login, "kept", within=60)
                assert world.submit("in the queue", TO).accepted
                wait_until(lambda: "later" in stack.inside("postfix", "postqueue", "-p"), "it waits", 60)
                stack.manage("backup", str(backup), "--mail", *secret)
                # Postfix stood still for a moment, and goes on.
                assert stack.container("postfix").status == "running"
                stack.wait_phase("healthy")
                told = stack.manage("verify", str(backup), *secret)
                assert "of mail" in told and "every stored secret opens" in told
        for service in ("postfix", "dovecot", "rspamd"):
            stack.container(service).remove(force=True, v=True)
        docker_client.networks.get(name).remove()
        for kind in VOLUMES:
            docker_client.volumes.get(f"{name}-mail-{kind}").remove()
        shutil.rmtree(stack.data)
        stack.key_file.unlink()

        began = time.monotonic()
        stack.manage("restore", str(backup), *secret)
        again = stack.run("manage.py", "restore", str(backup), *secret)
        assert again.returncode == 1 and b"This node has data" in again.stderr
        restored = time.monotonic() - began
        (stack.data / "static").mkdir()
        # The other server can be reached before the queue is tried for the first time: else its name does not exist.
        docker_client.networks.create(name, labels={LABEL: name})
        with outside(stack, stack_images, ["far.test"]) as far, stack:
            wait_until(lambda: lets_in(world), "the first login", RESTORED)
            login = time.monotonic() - began
            assert [each["Subject"] for each in messages(world.server, world.bob.login)] == ["kept"]
            stack.wait_phase("healthy")
            assert world.submit("after the restore", TO).accepted
            stack.inside("postfix", "postqueue", "-f")
            found = {each.message["Subject"]: each for each in far.wait_for(2, 120)}
            first = time.monotonic() - began
            assert {"in the queue", "after the restore"} <= found.keys()
            signed = signatures(found["after the restore"].content, key)
            assert [each.valid for each in signed] == [True]
            assert public_key(stack, OURS) == key
            assert deliver(world.server, mail("new", to=world.bob.address), world.bob.address).accepted
            wait_for_message(world.server, world.bob.login, "new", within=60)
            print(f"restore {restored:.0f} s, first login {login:.0f} s, first signed mail {first:.0f} s")


def lets_in(world: World) -> bool:
    """Whether Bob can log in; False while nobody answers."""
    try:
        return imap_login(world.server, world.bob.login)
    except OSError:
        return False
