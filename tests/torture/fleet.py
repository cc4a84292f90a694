"""The mode of several machines: a web machine, two workers and a beat on one PostgreSQL and one Valkey."""

from __future__ import annotations

import os
import random
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg

from tests.live.console import Console
from tests.live.machines import Machine
from tests.quazzar.nodes import ROOT, Node, alive, wait_until
from tests.rig.services import Postgres, Valkey
from tests.torture import checks
from tests.torture.checks import PATIENCE
from tests.torture.relay import UP, Relay, flush
from tests.torture.rows import Rows
from tests.torture.world import Clock, Fault, SmallDisk, quietly

_NAMES = ("web-1", "worker-1", "worker-2", "beat-1")
_WORKERS = ("worker-1", "worker-2")


class SmallPostgres(Postgres):
    """One whose write-ahead log stays small."""

    def _configuration(self) -> str:
        return super()._configuration() + "max_wal_size = '80MB'\nmin_wal_size = '32MB'\n"


class ForgetfulMachine(Machine):
    """A machine whose supervisor does not remember failures for long."""

    def start(self) -> None:
        begin = f'hostname {self.name}.test && exec {sys.executable} -c "$UP" {self.console.port} {self.role}'
        environ = {**self.console.env, "PYTHONPATH": str(ROOT), "UP": UP}
        self.console.node = Node(["unshare", "--uts", "sh", "-c", begin], environ)
        self.nodes = [*self.nodes[-1:], self.console.node]


class OnPostgres(Relay):
    """The machines share a database and a broker, either of which may go away."""

    name = "relay-postgres"
    heartbeat = "SELECT extract(epoch FROM now() - at) FROM quazzar_heartbeat WHERE name = 'worker'"

    def build_machines(self) -> None:
        self.clock = Clock(self.directory)
        self.data_disk = self.stack.enter_context(SmallDisk(self.directory / "pgdisk", 600))
        self.postgres = self.stack.enter_context(SmallPostgres(self.data_disk.place / "pg"))
        self.valkey = self.stack.enter_context(Valkey())
        url = self.disk.place / "database.url"
        url.touch(mode=0o600)
        url.write_text(self.postgres.url)
        shared = {"DATABASE_URL_FILE": str(url), "REDIS_URL": self.valkey.url}
        first = Console(self.disk.place, static=False, **self.environ, **self.clock.environ, **shared)
        first.manage("firstrun")  # which makes the key file
        self.fleet = {name: ForgetfulMachine(first, name, name.partition("-")[0]) for name in _NAMES}
        for machine in self.fleet.values():
            self.stack.enter_context(machine)
        for machine in self.fleet.values():
            machine.wait()
        self.webs = [self.fleet["web-1"].console]
        self.rows = Rows(self.postgres.url)
        self._halted: list[int] = []
        wait_until(self.webs[0].ready, "the web machine answers /readyz", PATIENCE)

    def machines(self) -> list[Console]:
        return [machine.console for machine in self.fleet.values()]

    def submitting(self) -> dict[str, str]:
        return {**self.webs[0].env}

    def more_secrets(self) -> dict[str, str | bytes]:
        return {"database password": self.postgres.url.split(":")[2].partition("@")[0]}

    # --- faults --------------------------------------------------------------------------------------------
    def faults(self) -> Mapping[str, Mapping[str, Fault]]:
        def killing(name: str) -> Fault:
            return lambda _: self.kill(name)

        def ending(name: str) -> Fault:
            return lambda _: self.end(name)

        parts = {f"kill -9 of the process of {name}": killing(name) for name in _NAMES}
        parts |= {"a worker that stands still": lambda chance: self.halt(chance.choice(_WORKERS)),
                  "kill -9 of both workers": lambda _: self.kill(*_WORKERS),
                  "kill -9 of sendmail": lambda _: self.load.kill_program()}  # fmt: skip
        machines = {f"the machine {name} dies": ending(name) for name in _NAMES}
        database = {"every database connection is terminated": lambda _: self.terminate(),
                    "kill -9 of a database connection": self.kill_backend,
                    "kill -9 of PostgreSQL": lambda _: self.crash(),
                    "a full disk under PostgreSQL": lambda _: self.fill(),
                    "PostgreSQL is restarted": lambda _: self.restart_database()}  # fmt: skip
        broker = {"kill -9 of Valkey": lambda _: self.valkey.kill(),
                  "Valkey forgets": lambda _: flush(self.valkey.dir),
                  "Valkey is restarted": lambda _: self.restart_broker()}  # fmt: skip
        return {"parts": parts, "machines": machines, "database": database, "broker": broker,
                "provider": self.provider_faults(), "clock": self.clocks()}  # fmt: skip

    def kill(self, *names: str) -> None:
        for name in names:
            with quietly():
                os.kill(self.fleet[name].console.pid(self.fleet[name].role), signal.SIGKILL)
                self._doubt(name, f"kill -9 of {name}")

    def end(self, name: str) -> None:
        """Its supervisor is killed, and with it all that it started."""
        self._doubt(name, f"{name} died")
        with quietly():
            os.kill(self.fleet[name].console.node.process.pid, signal.SIGKILL)

    def _doubt(self, name: str, what: str) -> None:
        if name in _WORKERS:
            self.ledger.doubt(what)

    def halt(self, name: str) -> None:
        with quietly():
            pid = self.fleet[name].console.pid("worker")
            os.kill(pid, signal.SIGSTOP)
            self._halted.append(pid)

    def terminate(self) -> None:
        """pg_terminate_backend for all but ourselves."""
        others = "FROM pg_stat_activity WHERE usename = user AND pid <> pg_backend_pid()"
        self._lose_database("its connections were terminated")
        with quietly(), psycopg.connect(self.postgres.url) as connection:
            connection.execute(f"SELECT pg_terminate_backend(pid) {others}")

    def kill_backend(self, chance: random.Random) -> None:
        """PostgreSQL then ends all other connections, too, and recovers as after a crash."""
        with quietly(), psycopg.connect(self.postgres.url) as connection:
            question = "SELECT pid FROM pg_stat_activity WHERE usename = user AND pid <> pg_backend_pid() ORDER BY pid"
            pids = [int(pid) for (pid,) in connection.execute(question).fetchall()]
        self._lose_database("one of its processes was killed")
        with quietly():
            os.kill(chance.choice(pids), signal.SIGKILL)

    def crash(self) -> None:
        self._lose_database("it was killed")
        self.postgres.kill()

    def fill(self) -> None:
        self._lose_database("its disk was full")
        self.data_disk.fill()

    def restart_database(self) -> None:
        self._lose_database("it was restarted")
        self.postgres.stop()

    def restart_broker(self) -> None:
        self.valkey.stop()
        self.valkey.start()

    def _lose_database(self, how: str) -> None:
        """What was just sent cannot be recorded: like the kill of every worker."""
        for name in _WORKERS:
            self.ledger.doubt(f"PostgreSQL was lost to {name}: {how}", lasts=True)

    # --- healing -------------------------------------------------------------------------------------------
    def mend(self) -> None:
        self.data_disk.free()
        if self.postgres.pid is None:
            self.postgres.start()
        if self.valkey.pid is None:
            self.valkey.start()
        self.clock.set(0)
        for pid in self._halted:
            with quietly():
                os.kill(pid, signal.SIGCONT)
        self._halted.clear()
        for machine in self.fleet.values():
            if machine.console.node.process.poll() is not None:
                folder = machine.console.data
                wait_until(lambda: not _running(folder), f"the children of {folder.name} end", PATIENCE)  # noqa: B023
                machine.start()

    def wait_well(self, machine: Console) -> None:
        """Only the web machine answers; of the others each must have its process."""
        if machine is self.webs[0]:
            super().wait_well(machine)
        else:
            role = next(each.role for each in self.fleet.values() if each.console is machine)
            wait_until(lambda: alive(machine.pid(role)), f"{machine.data.name} runs", PATIENCE)

    def output(self) -> str:
        return "\n".join(f"--- {name}\n{machine.text[-4000:]}" for name, machine in self.fleet.items())


def _running(folder: Path) -> list[int]:
    return [pid for pid, _ in checks.of_folder(folder) if alive(pid)]
