"""Two machines with a worker each, one PostgreSQL, one stack: one follows the logs, and the other takes over."""

from __future__ import annotations

import time
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

import docker
import psycopg
import pytest

from tests.live.machines import Machine, broker_over_tcp
from tests.live.mailstack import Box, MailStack
from tests.quazzar.nodes import wait_until
from tests.rig import or_skip
from tests.rig.mailclients import deliver, mail
from tests.rig.services import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rig.images import Images

pytestmark = [pytest.mark.real, pytest.mark.thorough]

#: Of the advisory locks: quazzar/machines/locks.py.
CLASS, OBJECT = 0x515A52, (zlib.crc32(b"maillog") - 2**31) % 2**32
FOLLOWERS = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with or_skip(Postgres) as server:
        yield server


@pytest.fixture(scope="module")
def stack(
    docker_client: docker.DockerClient, stack_images: Images, shared_stack_project: str, postgres: Postgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[MailStack]:  # fmt: skip
    directory = tmp_path_factory.mktemp("followers")
    with broker_over_tcp() as broker:
        env: dict[str, Any] = {"DATABASE_URL": postgres.url, "REDIS_URL": broker}
        with MailStack(
            directory, docker_client, stack_images, shared_stack_project, static=True, **env
        ) as stack:
            stack.enable()
            yield stack


@pytest.fixture(scope="module")
def second(stack: MailStack) -> Iterator[Machine]:
    with Machine(stack, "second", "worker") as machine:
        machine.wait()
        yield machine


@pytest.fixture(scope="module")
def reader(stack: MailStack) -> Box:
    box = stack.add_mailbox(stack.add_domain("followers.test"), "reader")
    stack.wait_synced()
    return box


def followers(postgres: Postgres) -> list[int]:
    """The connections that hold the lock."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        return [pid for (pid,) in connection.execute(FOLLOWERS, [CLASS, OBJECT])]


def test_one_follows_and_another_takes_over(
    stack: MailStack, second: Machine, reader: Box, postgres: Postgres
) -> None:
    """Workers are killed, and the follower's connection to PostgreSQL is cut: no step is lost, none is told twice."""
    senders = [f"sender-{number}@followers.example" for number in range(20)]
    held = set()
    for number, sender in enumerate(senders):
        if number % 5 == 0:
            wait_until(lambda: followers(postgres), "somebody follows", 90)
        match number:
            case 5:
                cut(postgres)
            case 10:
                stack.kill("worker")
            case 15:
                second.kill_part()
        assert deliver(stack.server, mail("one", to=reader.address), reader.address, sender=sender).accepted
        now = followers(postgres)
        assert len(now) <= 1
        held.update(now)
        time.sleep(0.5)
    wait_until(lambda: followers(postgres), "somebody follows", 90)
    held.update(followers(postgres))
    print(f"{len(held)} followers, one after the other")
    for sender in senders:
        wait_until(partial(is_filed, stack, sender), f"the journey from {sender}", 90)
        assert sorted(steps(stack, sender)) == ["accepted", "delivered", "filed", "queued", "scanned"]
    assert len(held) > 1


def cut(postgres: Postgres) -> None:
    """PostgreSQL ends the follower's connection, and with it the lock; the follower itself goes on."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        for pid in followers(postgres):
            connection.execute("SELECT pg_terminate_backend(%s)", [pid])


def steps(stack: MailStack, sender: str) -> list[str]:
    """The kinds of all steps of all mail from this sender."""
    rows = stack.expect(200, "GET", f"/api/mail/journeys?q={sender}")["results"]
    found = [stack.expect(200, "GET", f"/api/mail/journeys/{row['id']}")["steps"] for row in rows]
    return [step["kind"] for one in found for step in one]


def is_filed(stack: MailStack, sender: str) -> bool:
    """Whether the journey is told to its end."""
    return "filed" in steps(stack, sender)
