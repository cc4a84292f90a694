"""The light modes: only the queue, by processes that are forked in milliseconds, so that a round takes a second."""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg

from tests.live.console import OPERATOR_PASSWORD, Console
from tests.live.searching import Search
from tests.quazzar.nodes import ROOT, alive, wait_until
from tests.rig.ca import CertificateAuthority
from tests.torture import checks
from tests.torture.checks import PATIENCE
from tests.torture.fleet import SmallPostgres
from tests.torture.provider import CALM, MOODS, Moody, Provider
from tests.torture.relay import JUMPS
from tests.torture.rows import Rows
from tests.torture.world import Clock, Fault, SmallDisk, World, quietly

_WORKERS = 2


class Queue(World):
    """Two workers and some senders on one database, without web, broker and beat."""

    rows: Rows
    lasts = 0.5
    unaided = 0.0  # the first wait after a failure takes a minute

    def build(self) -> None:
        authority = CertificateAuthority(self.directory / "authority")
        self.password, self.body = f"relay-{secrets.token_hex(12)}", f"body-{secrets.token_hex(12)}"
        script = Moody(certificate=authority.issue(), users={"torture": self.password}, ledger=self.ledger)
        script.feel(CALM)
        self.provider = self.stack.enter_context(Provider(script))
        self.told = self.directory / "told"
        self.disk = self.stack.enter_context(SmallDisk(self.directory / "disk", 160))
        self.clock = Clock(self.directory)
        environ = {
            "SSL_CERT_FILE": str(authority.ca_file),
            "TMPDIR": str(self.temporary),
            **self.clock.environ,
        }
        self.console = Console(self.disk.place, static=False, **environ, **self.database())
        self.console.manage("firstrun")
        self.console.manage("shell", "-c", self._relay())
        self.log = self.directory / "log"
        self.nursery = self._nursery()
        self.workers = [self._do("work") for _ in range(_WORKERS)]
        self.senders: list[int] = []
        self.halted: list[int] = []
        self.known = {str(path.relative_to(self.console.data)) for path in self.console.data.rglob("*")}

    def database(self) -> dict[str, str]:
        """Start it; the settings that name it. Sets ``rows``."""
        raise NotImplementedError

    def _relay(self) -> str:
        values = {"provider": "custom", "host": "localhost", "port": self.provider.port, "security": "starttls",
                  "username": "torture", "password": self.password, "from_address": "node@provider.test",
                  "alert_recipients": ["ops@inbox.test"]}  # fmt: skip
        return f"from mailrelay.relay import settings; settings.update({values!r}, partial=True)"

    def _nursery(self) -> subprocess.Popen[str]:
        environ = {**os.environ, **self.console.env, "PYTHONPATH": str(ROOT)}
        with self.log.open("w") as log:
            nursery = subprocess.Popen(
                [sys.executable, "-m", "tests.torture.nursery"], cwd=ROOT, env=environ, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.stack.callback(nursery.communicate)
        self.stack.callback(os.killpg, nursery.pid, signal.SIGKILL)
        return nursery

    def _do(self, what: str, **arguments: object) -> int:
        assert self.nursery.stdin and self.nursery.stdout
        print(json.dumps({"do": what, **arguments}), file=self.nursery.stdin, flush=True)
        return int(self.nursery.stdout.readline())

    # --- a round -------------------------------------------------------------------------------------------
    def begin(self, label: str, chance: random.Random) -> None:
        self.provider.script.chance = random.Random(chance.random())
        self.told.unlink(missing_ok=True)
        self.senders = []
        for name, way in (("a", "api"), ("b", "api"), ("c", "sendmail")):
            tokens = [f"torture-{label}-{name}{number}" for number in range(chance.randint(2, 10))]
            for token in tokens:
                self.ledger.lose_answer(token, way)
            self.senders.append(self._do("send", tokens=tokens, body=self.body, way=way, told=str(self.told)))

    def faults(self) -> Mapping[str, Mapping[str, Fault]]:
        def feel(mood: str) -> Fault:
            return lambda _: self.provider.script.feel(mood)

        def jump(seconds: int) -> Fault:
            return lambda _: self.clock.set(seconds)

        parts: dict[str, Fault] = {
            "kill -9 of a worker": self.kill_worker, "kill -9 of both workers": self.kill_workers,
            "kill -9 of workers, again and again": self.kill_often, "kill -9 of a sender": self.kill_sender,
            "a worker that stands still": self.halt,
        }  # fmt: skip
        provider = {f"the provider {mood}": feel(mood) for mood in MOODS}
        provider["the provider crashes"] = lambda _: self.provider.restart()
        clock = {f"a clock {name}": jump(seconds) for name, seconds in JUMPS.items()}
        return {"parts": parts, "more parts": parts, "provider": provider, "more of the provider": provider,
                "clock": clock, "data": self.data_faults()}  # fmt: skip

    def data_faults(self) -> Mapping[str, Fault]:
        """Those of the database."""
        raise NotImplementedError

    def kill_worker(self, chance: random.Random) -> None:
        number = chance.randrange(_WORKERS)
        with quietly():
            self.ledger.doubt("kill -9 of a worker")
            os.kill(self.workers[number], signal.SIGKILL)
        self.workers[number] = self._do("work")

    def kill_workers(self, chance: random.Random) -> None:
        for number, pid in enumerate(self.workers):
            with quietly():
                self.ledger.doubt("kill -9 of both workers")
                os.kill(pid, signal.SIGKILL)
            self.workers[number] = self._do("work")

    def kill_often(self, chance: random.Random) -> None:
        for _ in range(4):
            time.sleep(chance.uniform(0, 0.15))
            self.kill_worker(chance)

    def kill_sender(self, chance: random.Random) -> None:
        with quietly():
            os.kill(chance.choice(self.senders), signal.SIGKILL)

    def halt(self, chance: random.Random) -> None:
        pid = chance.choice(self.workers)
        with quietly():
            os.kill(pid, signal.SIGSTOP)
            self.halted.append(pid)

    # --- healing -------------------------------------------------------------------------------------------
    def heal(self, *, patient: bool) -> None:
        self.provider.calm_down()
        self.disk.free()
        self.clock.set(0)
        for pid in self.halted:
            with quietly():
                os.kill(pid, signal.SIGCONT)
        self.halted.clear()
        self.mend()
        wait_until(lambda: not any(alive(pid) for pid in self.senders), "everybody has handed in", PATIENCE)
        self._account()
        deadline, next_help = time.monotonic() + PATIENCE, time.monotonic()
        while waiting := self.rows.waiting():
            now = time.monotonic()
            assert now < deadline, f"{len(waiting)} messages still wait: {waiting[:5]}"
            if now > next_help:
                self._hurry()
                next_help = time.monotonic() + 0.5
            time.sleep(0.05)

    def _hurry(self) -> None:
        """Press Retry now for what waits for its next attempt, as an operator would."""
        pid = self._do("hurry")
        wait_until(lambda: not alive(pid), "Retry now", PATIENCE)

    def mend(self) -> None:
        """Take the faults of the database away."""
        raise NotImplementedError

    def _account(self) -> None:
        for line in self.told.read_text().splitlines() if self.told.exists() else []:
            taken, _, token = line.partition(" ")
            if taken == "1":
                self.ledger.accept(token, self.ledger.unknown.get(token, "api"))
            else:
                self.ledger.refuse(token, "refused")

    def check(self, *, thorough: bool) -> list[str]:
        script = self.provider.script
        buried = {address.partition("@")[0] for address in script.buried}
        wrong = checks.mail(self.ledger, self.rows, buried) + checks.counters(self.rows)
        here = [pid for pid, _ in checks.of_folder(self.console.data) if alive(pid)]
        strangers = set(here) - {*self.workers, self.nursery.pid}
        wrong += [f"{len(strangers)} processes are left"] if strangers else []
        wrong += [f"the worker {pid} has ended by itself" for pid in self.workers if not alive(pid)]
        if thorough:
            wrong += checks.leftovers(self.console.data, self.temporary, self.known)
            search = Search(
                {"relay password": self.password, "body": self.body, "operator": OPERATOR_PASSWORD}
            )
            wrong += checks.secrets(search, [self.console.data], {"log": self.log.read_bytes()})
        script.buried.clear()
        self.provider.forget()
        return wrong

    def output(self) -> str:
        return self.log.read_text()[-12_000:]


class QueueOnSqlite(Queue):
    """On SQLite, on a small disk."""

    name = "queue-sqlite"

    def database(self) -> dict[str, str]:
        self._file = self.disk.place / "data" / "quazzar.sqlite3"
        self.rows = Rows(self._file)
        self._lock: sqlite3.Connection | None = None
        self.stack.callback(self.mend)
        return {}

    def data_faults(self) -> Mapping[str, Fault]:
        return {"a full disk": self.fill, "a locked database": self.lock}

    def fill(self, chance: random.Random) -> None:
        self.ledger.doubt("results could not be stored on a full disk", lasts=True)
        self.ledger.doubt("results could not be stored on a full disk", lasts=True)
        self.disk.fill()

    def lock(self, chance: random.Random) -> None:
        if self._lock is None:
            self._lock = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False, timeout=5)
            with contextlib.suppress(sqlite3.Error):
                self._lock.execute("BEGIN IMMEDIATE")

    def mend(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


class QueueOnPostgres(Queue):
    """On PostgreSQL, whose connections and processes are killed."""

    name = "queue-postgres"

    def database(self) -> dict[str, str]:
        self.data_disk = self.stack.enter_context(SmallDisk(self.directory / "pgdisk", 600))
        self.postgres = self.stack.enter_context(SmallPostgres(self.data_disk.place / "pg"))
        self.rows = Rows(self.postgres.url)
        url: Path = self.disk.place / "database.url"
        url.touch(mode=0o600)
        url.write_text(self.postgres.url)
        return {"DATABASE_URL_FILE": str(url)}

    def data_faults(self) -> Mapping[str, Fault]:
        return {"every database connection is terminated": self.terminate, "kill -9 of PostgreSQL": self.crash,
                "kill -9 of a database connection": self.kill_backend,
                "a full disk under PostgreSQL": self.fill}  # fmt: skip

    def _doubt(self, how: str) -> None:
        """What was just sent cannot be recorded: like the kill of every worker."""
        for _ in range(_WORKERS):
            self.ledger.doubt(f"PostgreSQL was lost: {how}", lasts=True)

    def _others(self, what: str) -> list[int]:
        with psycopg.connect(self.postgres.url) as connection:
            others = "FROM pg_stat_activity WHERE usename = user AND pid <> pg_backend_pid() ORDER BY pid"
            return [int(pid) for (pid,) in connection.execute(f"SELECT {what} {others}".encode()).fetchall()]

    def terminate(self, chance: random.Random) -> None:
        self._doubt("its connections were terminated")
        with contextlib.suppress(psycopg.Error):
            self._others("pg_terminate_backend(pid)::int")

    def kill_backend(self, chance: random.Random) -> None:
        self._doubt("one of its processes was killed")
        with contextlib.suppress(psycopg.Error, IndexError), quietly():
            os.kill(chance.choice(self._others("pid")), signal.SIGKILL)

    def crash(self, chance: random.Random) -> None:
        self._doubt("it was killed")
        self.postgres.kill()

    def fill(self, chance: random.Random) -> None:
        self._doubt("its disk was full")
        self.data_disk.fill()

    def mend(self) -> None:
        self.data_disk.free()
        if self.postgres.pid is None:
            self.postgres.start()
        wait_until(self._answers, "PostgreSQL answers", PATIENCE)

    def _answers(self) -> bool:
        try:
            return bool(self.rows.ask("SELECT 1"))
        except psycopg.Error:
            return False
