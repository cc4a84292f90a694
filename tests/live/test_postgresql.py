"""The queue on PostgreSQL: the whole product with two workers that share one database."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.live.console import Console, own
from tests.live.machines import broker_over_tcp
from tests.quazzar.nodes import ROOT, Node, wait_until
from tests.rig import or_skip
from tests.rig.postfix import RealPostfix
from tests.rig.services import Postgres
from tests.torture.ledger import FAR

pytestmark = pytest.mark.real

SECOND_HOST = "second.node.test"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with or_skip(Postgres) as server:
        yield server


@pytest.fixture(scope="module")
def provider() -> Iterator[RealPostfix]:
    with or_skip(RealPostfix) as postfix:
        yield postfix


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    """A Valkey that is reached over TCP, as one on another machine would be; its URL."""
    with broker_over_tcp() as url:
        yield url


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, provider: RealPostfix, broker: str
) -> Iterator[Console]:
    directory = tmp_path_factory.mktemp("node")
    with Console(
        directory, DATABASE_URL=postgres.url, REDIS_URL=broker, SSL_CERT_FILE=str(provider.ca_file)
    ) as console:
        yield console


@pytest.fixture
def console(running: Console, provider: RealPostfix) -> Console:
    """The console with an empty queue and its relay, and the provider with an empty inbox."""
    provider.start()
    running.use_relay(provider.submission_port, security="starttls", username=provider.username,
                      password=provider.password)  # fmt: skip
    running.wait_empty()
    provider.wait_quiet()
    provider.clear()
    return running


@pytest.fixture
def second_worker(console: Console) -> Iterator[Node]:
    """Another worker on the same database and broker, under another host name, as on a second machine."""
    start = f"hostname {SECOND_HOST} && exec {sys.executable} -P -m quazzar.processes.worker"
    with Node(["unshare", "--uts", "sh", "-c", start], {**console.env, "PYTHONPATH": str(ROOT)}) as node:
        yield node


def post(console: Console, number: int) -> list[str]:
    """Post that many from three clients at once; the subjects of those that were taken."""
    taken: list[str] = []

    def client(name: int) -> None:
        for each in range(number // 3):
            subject = f"{name}/{each}"
            body = {"to": ["box@inbox.test"], "subject": subject, "text": "x"}
            status, answer = console.call("POST", "/api/mail/messages", body)
            assert status in (202, 503), answer
            taken.extend([subject] * (status == 202))

    with ThreadPoolExecutor(3) as clients:
        list(clients.map(client, range(3)))
    return taken


def arrived(provider: RealPostfix) -> Counter[str]:
    """How often each subject arrived."""
    provider.wait_quiet()
    return Counter(own(mail["Subject"] for mail in provider.messages()))


def by_second_host(provider: RealPostfix) -> int:
    """How many of the messages that arrived were brought by the second worker."""
    return sum(SECOND_HOST in str(mail["Received"]) for mail in provider.messages())


def test_two_workers_deliver_each_of_300_messages_once(
    console: Console, provider: RealPostfix, second_worker: Node
) -> None:
    wait_until(
        lambda: console.send("box@inbox.test") and by_second_host(provider), "the second worker works", 120
    )
    console.wait_empty()
    provider.clear()
    started = time.monotonic()
    taken = post(console, 300)
    console.wait_empty()
    found = arrived(provider)
    print(
        f"{len(found)} arrived in {time.monotonic() - started:.1f} s, {by_second_host(provider)} by the second worker"
    )
    assert len(taken) == 300
    assert found == Counter(taken)
    assert second_worker.process.poll() is None
    assert "Error" not in second_worker.text, second_worker.text


@pytest.mark.thorough
def test_what_a_killed_worker_of_another_host_held_is_taken_up_when_its_leases_run_out(
    console: Console, provider: RealPostfix, second_worker: Node
) -> None:
    wait_until(
        lambda: console.send("box@inbox.test") and by_second_host(provider), "the second worker works", 120
    )
    console.wait_empty()
    provider.clear()
    threading.Thread(target=kill_when_busy, args=(second_worker, provider)).start()
    taken = post(console, 300)
    console.wait_empty()
    found = arrived(provider)
    print(f"{len(found)} of {len(taken)} arrived, {found.total() - len(found)} twice")
    assert second_worker.process.poll() is not None
    assert set(found) == set(taken)
    assert found.total() - len(found) <= FAR


def kill_when_busy(worker: Node, provider: RealPostfix) -> None:
    wait_until(lambda: provider.count() >= 30, "mail arrives", 120)
    worker.process.kill()


@pytest.mark.thorough
def test_a_database_that_stops_for_a_while_costs_no_message(
    console: Console, provider: RealPostfix, postgres: Postgres
) -> None:
    first = post(console, 60)
    postgres.kill()
    status, answer = console.call("POST", "/api/mail/messages", {"to": ["box@inbox.test"], "subject": "no"})
    postgres.start()
    wait_until(lambda: console.get("/readyz")[0] == 200, "the database is used again", 120)
    console.wait_empty()
    found = arrived(provider)
    print(f"{len(found)} of {len(first)} arrived, {found.total() - len(found)} twice; meanwhile {status}")
    assert (status, answer["error"]) == (503, "database_busy"), answer
    assert set(found) == set(first)
    # Ten in doubt for each time the database was away: it may be away again while it recovers.
    assert found.total() - len(found) <= 20
    assert postgres.url.split(":")[2].partition("@")[0] not in console.node.text
