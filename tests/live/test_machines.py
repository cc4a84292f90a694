"""Two web machines, three workers and two beats (one by mistake) on one PostgreSQL and Valkey, restarted in turn."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

import pytest

from tests.live.console import Console
from tests.live.machines import Machine, broker_over_tcp
from tests.quazzar.nodes import ROOT, wait_until
from tests.rig import or_skip
from tests.rig.faults import FaultServer
from tests.rig.services import Postgres
from tests.torture.ledger import FAR

pytestmark = [pytest.mark.real, pytest.mark.thorough]

MESSAGES, CLIENTS = 10_000, 4
#: A report that is three days late, so that each sweep would mail it if the one before had not.
LATE_REPORT = """
from datetime import timedelta
from django.utils import timezone
from mailrelay.models import ExpectedReport
before = timezone.now() - timedelta(days=3)
ExpectedReport.objects.create(
    name="nightly", title="nightly", state="on_time", schedule={"kind": "daily", "at": "02:04"}, last_at=before,
    counted_from=before, arrivals=[[int(before.timestamp()), True]], look_at=timezone.now(),
)
"""
#: Prints how often it got the lock, and how many held it at most.
RACE = """
import sys, time, django
django.setup()
import redis
from django.conf import settings
from mailboxes.stack import lock
client = redis.Redis.from_url(settings.REDIS_URL)
print("ready", flush=True)
sys.stdin.readline()
got = most = 0
until = time.monotonic() + 3
while time.monotonic() < until:
    with lock.single_writer() as acquired:
        if acquired:
            got += 1
            most = max(most, int(client.incr("test-holders")))
            time.sleep(0.002)
            client.decr("test-holders")
    time.sleep(0.001)
print(got, most)
"""


@dataclass
class Fleet:
    """The machines, and the provider that all of them send to."""

    first: Console
    sink: FaultServer
    machines: dict[str, Machine] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Machine:
        return self.machines[name]

    @property
    def webs(self) -> list[Machine]:
        return [machine for machine in self.machines.values() if machine.role == "web"]

    def count(self) -> int:
        """How many messages the provider has taken."""
        return sum(len(session.envelopes) for session in self.sink.sessions)

    def has_more_than(self, number: int) -> bool:
        """Whether the provider has taken more than that."""
        return self.count() > number

    def subjects(self) -> Counter[str]:
        """How often each subject arrived."""
        found = (
            re.search(rb"^Subject: (.*?)\r?$", mail.content, re.MULTILINE) for mail in self.sink.accepted
        )
        return Counter(match[1].decode() for match in found if match)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with ExitStack() as stack:
        postgres = stack.enter_context(or_skip(Postgres))
        broker = stack.enter_context(broker_over_tcp())
        sink = stack.enter_context(FaultServer())
        first = Console(
            tmp_path_factory.mktemp("first"),
            DATABASE_URL=postgres.url,
            REDIS_URL=broker,
            QUAZZAR_API_RATE="1000000/min",
        )
        first.manage("firstrun")
        first.manage("license", "trial", "--days", "5")  # which is worth one mail, from whichever worker
        fleet = Fleet(first, sink)
        for name in ("web-1", "web-2", "worker-1", "worker-2", "worker-3", "beat-1", "beat-2"):
            machine = Machine(first, name, name.partition("-")[0])
            fleet.machines[name] = stack.enter_context(machine)
        for machine in fleet.machines.values():
            machine.wait()
        fleet["web-1"].console.use_relay(sink.port, alert_recipients=["ops@inbox.test"])
        for web in fleet.webs:
            wait_until(web.console.ready, f"{web.name} answers /readyz", 120)
        yield fleet


def post(fleet: Fleet, numbers: Iterator[int]) -> None:
    """Queues messages over both web machines; what a restart interrupts is sent to the other one."""
    webs = itertools.cycle(fleet.webs)
    for number in numbers:
        body = {"to": ["box@inbox.test"], "subject": f"message {number}", "text": "x"}
        deadline = time.monotonic() + 120
        while not _accepted(next(webs), body, str(number)):
            assert time.monotonic() < deadline, f"no machine took message {number}"
            time.sleep(0.05)


def _accepted(web: Machine, body: object, key: str) -> bool:
    try:
        status, answer = web.console.call("POST", "/api/mail/messages", body, **{"Idempotency-Key": key})
    except (OSError, json.JSONDecodeError):
        return False
    assert status in (202, 409, 503), answer
    return status == 202


def roll(fleet: Fleet) -> None:
    """Restarts each machine in turn while mail comes and goes; one worker is killed in the middle."""
    wait_until(lambda: fleet.count() > MESSAGES // 20, "mail flows", 120)
    for name in ("web-1", "worker-1", "beat-1", "worker-2", "web-2", "beat-2", "worker-3"):
        fleet[name].restart()
        if name == "worker-2":
            fleet["worker-1"].kill_part()
        seen = min(fleet.count(), MESSAGES - 1)
        wait_until(partial(fleet.has_more_than, seen), f"mail flows after {name}", 120)


def test_10_000_messages_arrive_although_each_machine_is_restarted_and_one_worker_killed(
    fleet: Fleet,
) -> None:
    fleet["web-1"].console.manage("shell", "-c", LATE_REPORT)
    started = time.monotonic()
    shared = _Shared(iter(range(MESSAGES)))
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        rolling = pool.submit(roll, fleet)
        for client in [pool.submit(post, fleet, iter(shared)) for _ in range(CLIENTS)]:
            client.result()
        posted = time.monotonic() - started
        rolling.result()
    fleet["web-2"].console.wait_empty(240)
    found = fleet.subjects()
    messages = {subject: count for subject, count in found.items() if subject.startswith("message ")}
    doubles = sum(messages.values()) - len(messages)
    print(
        f"{MESSAGES} queued in {posted:.0f} s and sent in {time.monotonic() - started:.0f} s; {doubles} arrived twice"
    )
    assert len(messages) == MESSAGES
    assert doubles <= FAR
    # Two beats had three workers look at the same things all the time.
    assert found["[Report] nightly is late"] == 1
    assert sum(count for subject, count in found.items() if subject.startswith("[Licence]")) == 1
    for machine in fleet.machines.values():
        assert "Traceback" not in machine.text, machine.text[-6000:]


class _Shared:
    """An iterator that several threads share."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers, self._lock = numbers, threading.Lock()

    def __iter__(self) -> Iterator[int]:
        while True:
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            yield number


def test_of_two_machines_that_want_to_write_into_the_stack_at_once_one_does(fleet: Fleet) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE],
            cwd=ROOT,
            env={**os.environ, **fleet[name].console.env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("worker-1", "worker-2")
    ]
    for racer in racers:
        assert racer.stdout and racer.stdout.readline() == "ready\n"
    printed = [racer.communicate("go\n", timeout=60)[0].split() for racer in racers]
    assert [most for _, most in printed] == ["1", "1"]
    assert all(int(got) > 10 for got, _ in printed), printed


def test_a_machine_whose_key_and_secret_differ_says_so_and_writes_nothing(fleet: Fleet) -> None:
    odd = Machine(fleet.first, "odd", "web", SECRET_KEY="another-secret-that-is-long-enough-for-django")
    odd.key_file.unlink()
    mail = {"to": ["box@inbox.test"], "subject": "odd", "text": "x"}
    with odd:
        odd.wait()
        status, answer = odd.console.call("POST", "/api/mail/messages", mail)
        assert (status, answer["error"]) == (503, "key_differs")
        assert str(odd.key_file) in answer["message"]
        assert odd.console.get("/readyz")[0] == 503
        wait_until(lambda: "is not the one that the other machines use" in odd.text, "it logs why")
        wait_until(lambda: "The SECRET_KEY of odd.test" in odd.text, "it logs that SECRET_KEY differs")
        assert "is not the one that the other machines use" in doctor(fleet["web-1"])
        assert fleet["web-1"].console.call("POST", "/api/mail/messages", mail)[0] == 202
        assert odd.console.node.stop() == 0
    assert "5 machines (2 web, 3 worker), with the same keys and version." in doctor(fleet["web-1"])


def doctor(machine: Machine) -> str:
    """What the doctor of a machine finds about the machines."""
    done = machine.console.run("manage.py", "doctor", "--json")
    checks = json.loads(done.stdout)["checks"]
    (found,) = [check for check in checks if check["name"] == "machines"]
    return json.dumps(found)
