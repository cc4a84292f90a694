"""The worker is killed at random moments of enabling, changing and disabling the stack: nothing is half done."""

from __future__ import annotations

import contextlib
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.mailstack import HOSTNAME, MailStack
from tests.live.puppets import SEED, Puppet, Workers, kill_after, wait_gone
from tests.live.watching import LoginWatch, ProgressWatch, TableWatch, UsersWatch
from tests.quazzar.nodes import wait_until
from tests.rig.daemon import project
from tests.rig.mailclients import Login, imap_login

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from tests.rig.daemon import Daemon
    from tests.rig.images import Images

pytestmark = [pytest.mark.real, pytest.mark.thorough]

BASE = [f"base{number}@kills.test" for number in range(8)]
PASSWORD = "calm-Otter-12-lantern"
#: How many are killed. Disabling takes a second only: not always are there that many.
ENABLE, CHANGE, DISABLE = 6, 43, 4


class Killing:
    """A stack whose workers are killed; the operator's changes are made by a process that is not.

    Attributes:
        passwords: address → the password that it should have.
        killed: what was under way → how many of its workers were killed.
    """

    def __init__(self, stack: MailStack, operator: Puppet, workers: Workers) -> None:
        self.stack, self.operator, self.workers = stack, operator, workers
        self.chance = random.Random(SEED)
        self.users, self.table = UsersWatch(stack), TableWatch(stack)
        self.progress = ProgressWatch(stack.data)
        self.passwords: dict[str, str] = {}
        self.killed: dict[str, int] = {}
        self.domain = 0

    # --- killing ---------------------------------------------------------------------------------------------
    def kill_one(self, what: str, within: float) -> bool:
        """Starts a worker, sometimes a second beside it, and kills it; whether it was still at work."""
        others = [self.workers.start()] if self.chance.random() < 0.2 else []
        source = self.chance.choice(["reconcile.converge()", "reconcile.converge(fast=True)"])
        hit = kill_after(self.workers.start(source), self.chance.uniform(0, within))
        for pid in others:
            hit = kill_after(pid, 0) or hit
        self.killed[what] = self.killed.get(what, 0) + hit
        return hit

    def kill_many(self, what: str, count: int, within: float) -> None:
        """As many kills, one after the other, none of which waits for the end of anything."""
        while self.killed.get(what, 0) < count:
            if not self.kill_one(what, within):
                return

    # --- what must hold after each of them --------------------------------------------------------------------
    def converged(self, phase: str, *, closely: bool = True) -> None:
        """One worker that is left alone brings everything to its end. ``closely``: every file is compared."""
        self.workers.finish()
        row = self.row()
        done = row["phase"] == phase and (
            phase == "disabled" or row["applied_generation"] == row["desired_generation"]
        )
        assert done, f"{row}\n{self.workers.log.read_text()[-3000:]}"
        if phase == "healthy":
            wait_until(lambda: not self.left(), "nothing is left of those who were killed", 10)
            assert not closely or self.operator.do("reconcile.differences()") == []
        self.stack.check_parts(phase)

    def row(self) -> dict[str, Any]:
        columns = ("phase", "applied_generation", "desired_generation", "percent", "last_error", "parts")
        return dict(self.operator.do(f"Stack.objects.values(*{columns!r}).get()"))

    def left(self) -> str:
        """Temporary files of ours in the volumes."""
        script = "ls -A /mail-config /mail-dkim | grep '^[.]quazzar' | grep -v lock || true"
        return self.stack.inside("postfix", "bash", "-c", script)

    # --- changes ---------------------------------------------------------------------------------------------
    def add(self, address: str) -> None:
        local, password = address.partition("@")[0], f"{PASSWORD}-{self.chance.randrange(10**6)}"
        self.operator.do(f"mailboxes.add_mailbox({self.domain}, {local!r}, password={password!r}).pk")
        for watch in (self.users, self.table):
            watch.may_leave.discard(address)
        self.passwords[address] = password

    def remove(self, address: str) -> None:
        for watch in (self.users, self.table):
            watch.may_leave.add(address)
        self.operator.do(f"mailboxes.remove_mailbox({self.number(address)})")
        del self.passwords[address]

    def change_password(self, address: str) -> None:
        password = f"{PASSWORD}-{self.chance.randrange(10**6)}"
        given = {"password": password}
        self.operator.do(f"mailboxes.change_mailbox({self.number(address)}, {given!r}).pk")
        self.passwords[address] = password

    def bulk(self) -> None:
        """All mailboxes that come and go are disabled and enabled again, with nothing in between."""
        numbers = [self.number(address) for address in self.passwords if address not in BASE]
        for on in (False, True):
            self.operator.do(f"mailboxes.set_mailboxes_enabled({numbers}, {on})")

    def number(self, address: str) -> int:
        return int(self.operator.do(f"Mailbox.objects.live().get(address={address!r}).pk"))

    def change(self) -> None:
        """Something that an operator may do; often several things at once."""
        passing = sorted(set(self.passwords) - set(BASE))
        for what in self.chance.sample(
            ["add", "add", "remove", "password", "bulk", "alias"], self.chance.randint(1, 3)
        ):
            if what == "add":
                self.add(f"box{self.chance.randrange(10**9)}@kills.test")
            elif what == "alias":
                local = f"alias{self.chance.randrange(10**9)}"
                self.operator.do(f"aliases.add_alias({self.domain}, {local!r}, [{BASE[0]!r}]).pk")
            elif what == "bulk":
                self.bulk()
            elif what == "password":
                self.change_password(self.chance.choice(BASE[1:]))
            elif passing:
                self.remove(passing.pop(self.chance.randrange(len(passing))))

    def all_log_in(self) -> None:
        """Everyone signs in with their current password."""
        for address, password in self.passwords.items():
            let_in = partial(imap_login, self.stack.server, Login(address, password))
            wait_until(let_in, f"{address} logs in", 10)


@pytest.fixture(scope="module")
def killing(
    docker_daemon: Daemon,
    docker_client: docker.DockerClient,
    stack_images: Images,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Killing]:
    print(f"KILL_SEED={SEED}")
    directory = tmp_path_factory.mktemp("kills")
    with project(docker_daemon) as name, contextlib.ExitStack() as cleanup:
        stack = MailStack(directory, docker_client, stack_images, name)
        operator = cleanup.enter_context(Puppet(stack, directory / "operator.log"))
        workers = cleanup.enter_context(Workers(stack, directory / "workers.log"))
        killing = Killing(stack, operator, workers)
        for watch in (killing.users, killing.table, killing.progress):
            cleanup.enter_context(watch)
        yield killing


def test_killed_while_the_stack_is_enabled(killing: Killing) -> None:
    killing.domain = killing.operator.do("domains.add_domain('kills.test').pk")
    for address in BASE:
        killing.add(address)
    killing.operator.do(f"bool(control.enable({HOSTNAME!r}))")
    killing.kill_many("early in enabling", ENABLE // 2, 2.0)
    killing.kill_many("enabling", ENABLE - ENABLE // 2, 4.0)
    killing.converged("healthy")
    killing.all_log_in()
    print(killing.progress.phases, killing.killed)


def test_killed_while_changes_are_brought_in(killing: Killing) -> None:
    started = killing.stack.started()
    killing.change()
    began = time.monotonic()
    killing.workers.finish()
    usual = time.monotonic() - began
    with LoginWatch(killing.stack, Login(BASE[0], killing.passwords[BASE[0]])):
        while killing.killed.get("changing", 0) < CHANGE:
            killing.change()
            killing.kill_one("changing", usual)
            if killing.chance.random() < 0.7:
                killing.converged("healthy", closely=killing.chance.random() < 0.3)
        killing.converged("healthy")
        killing.all_log_in()
    assert killing.stack.started() == started


def test_several_workers_at_once_do_the_work_of_one(killing: Killing) -> None:
    for _ in range(5):
        killing.change()
        for pid in [killing.workers.start() for _ in range(4)]:
            wait_gone(pid)
        # The second worker left it to the first, which checked again.
        row = killing.row()
        assert row["applied_generation"] == row["desired_generation"], killing.workers.log.read_text()[-3000:]
    killing.converged("healthy")


def test_killed_while_the_stack_is_disabled(killing: Killing) -> None:
    nameless = nameless_volumes(killing.stack)
    killing.operator.do("bool(control.disable())")
    killing.kill_many("disabling", DISABLE, 0.5)
    killing.converged("disabled")
    there = {volume.name for volume in killing.stack.client.volumes.list()}
    assert nameless
    assert not nameless & there
    assert killing.killed["disabling"]
    print(f"KILL_SEED={SEED}: {killing.killed}")
    assert sum(killing.killed.values()) > ENABLE + CHANGE


def nameless_volumes(stack: MailStack) -> set[str]:
    """The unnamed volumes that the images created."""
    mounts = (
        mount
        for service in ("postfix", "dovecot", "rspamd")
        for mount in stack.container(service).attrs["Mounts"]
    )
    return {
        mount["Name"] for mount in mounts if mount["Type"] == "volume" and stack.project not in mount["Name"]
    }
