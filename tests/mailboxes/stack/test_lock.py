"""One writer at a time: a process that does not get the lock leaves its work to the holder."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dj_database_url
import pytest
from django.db import connection
from django.db.utils import ConnectionHandler

from mailboxes.models import Domain, Stack
from mailboxes.provisioning.mailboxes import add_mailbox
from mailboxes.stack import lock, reconcile
from quazzar.machines import locks
from tests.rig import or_skip, wait_until
from tests.rig.services import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.mailboxes.stackengine import StackEngine

#: Takes the lock of a file, says so, and waits until it is killed.
HOLDER = (
    "import fcntl,sys; f=open(sys.argv[1],'w'); fcntl.flock(f,2); print('held',flush=True); sys.stdin.read()"
)


@pytest.fixture(autouse=True)
def _place(settings: Any, tmp_path: Path) -> None:
    settings.QUAZZAR_DATA_DIR = tmp_path


def test_the_second_is_refused_until_the_first_is_done() -> None:
    with lock.single_writer() as first, lock.single_writer() as second:
        assert (first, second) == (True, False)
    with lock.single_writer() as third:
        assert third


@pytest.mark.real
@pytest.mark.django_db
def test_machines_that_share_a_postgresql_exclude_each_other(
    monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    with or_skip(Postgres) as server:
        machines = [
            ConnectionHandler({"default": dj_database_url.parse(server.url)})["default"] for _ in range(2)
        ]

        @contextmanager
        def at(machine: int, name: str = "stack") -> Iterator[bool]:
            monkeypatch.setattr(locks, "connection", machines[machine])
            settings.QUAZZAR_DATA_DIR = tmp_path / str(machine)
            settings.QUAZZAR_DATA_DIR.mkdir(exist_ok=True)
            with lock.single_writer(name) as mine:
                yield mine

        def takes_it(machine: int) -> bool:
            with at(machine) as mine:
                return mine

        with at(0) as first, at(1) as second, at(1, "import") as other:
            assert (first, second, other) == (True, False, True)
            monkeypatch.setattr(locks, "connection", machines[0])
        with pytest.raises(RuntimeError), at(0):
            raise RuntimeError
        with at(1) as second:
            assert second
            # A machine that is gone, and its session with it, holds no lock.
            machines[1].close()
            wait_until(lambda: takes_it(0), what="the lock that is free again")
            monkeypatch.setattr(locks, "connection", machines[1])
        for machine in machines:
            machine.close()


def test_different_work_has_different_locks() -> None:
    with lock.single_writer("stack") as first, lock.single_writer("import") as second:
        assert first and second


def test_it_is_free_after_an_error() -> None:
    with pytest.raises(RuntimeError), lock.single_writer():
        raise RuntimeError
    with lock.single_writer() as mine:
        assert mine


def test_it_is_free_when_its_holder_is_killed(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", HOLDER, str(tmp_path / "stack.lock")]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with lock.single_writer() as mine:
            assert not mine
        holder.kill()
        holder.wait()
    with lock.single_writer() as mine:
        assert mine


# --- without the lock nothing is lost ------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_two_workers_the_second_leaves_and_the_first_does_its_work_too(up: StackEngine) -> None:
    entered, going_on = threading.Event(), threading.Event()

    def hold(method: str) -> None:
        up.before = lambda method: None
        entered.set()
        assert going_on.wait(20)

    add_mailbox(Domain.objects.get().pk, "bob")
    up.before = hold
    first = started(lambda: reconcile.converge(fast=True))
    assert entered.wait(20)
    add_mailbox(Domain.objects.get().pk, "cyn")
    reconcile.converge(fast=True)
    assert up.pushes == []
    going_on.set()
    first.join(20)
    assert up.accepted() >= {"bob@example.com", "cyn@example.com"}


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_many_workers_at_once_lose_nothing(up: StackEngine) -> None:
    domain = Domain.objects.get().pk

    def work(number: int) -> None:
        add_mailbox(domain, f"user{number}")
        reconcile.converge(fast=True)

    for thread in [started(lambda number=number: work(number)) for number in range(6)]:
        thread.join(30)
    stack = Stack.load()
    assert len(up.accepted()) == 7 and stack.applied_generation == stack.desired_generation == 7


def started(work: Any) -> threading.Thread:
    """A thread that does this, with a database connection of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread
