"""The modes of the relay: one node on SQLite, and several machines on PostgreSQL and Valkey."""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tests.live.console import OPERATOR_PASSWORD, Console
from tests.live.searching import Search
from tests.quazzar.nodes import ROOT, Node, alive, wait_until
from tests.rig.ca import CertificateAuthority
from tests.torture import checks
from tests.torture.checks import PATIENCE
from tests.torture.load import Cron, Load
from tests.torture.provider import CALM, MOODS, Moody, Provider
from tests.torture.rows import Rows
from tests.torture.world import Clock, Fault, SmallDisk, World, quietly

if TYPE_CHECKING:
    from collections.abc import Sequence

JUMPS = {"an hour ahead": 3600, "a day ahead": 86_400, "an hour behind": -3600, "a minute behind": -60}
#: Longer than a period of the sweeps, in seconds.
LASTING = 23.0
#: The supervisor as it is, but for its memory of earlier failures: else a part that is killed every few seconds would
#: be started twice a minute.
UP = """
import os, sys, django
django.setup()
from quazzar.management.commands import up
argv = up.command("127.0.0.1", int(sys.argv[1]), sys.argv[2:])
forgetful = "import sys; from quazzar.processes import child, supervisor as s; child.STEADY = 2.0; sys.exit(s.main())"
os.execve(argv[0], [argv[0], "-P", "-c", forgetful, *argv[4:]],
          up.environment())
"""


class Forgetful(Console):
    """A console whose supervisor does not remember failures for long."""

    def start(self) -> None:
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it, without waiting."""
        self.node = Node([sys.executable, "-c", UP, str(self.port)], {**self.env, "PYTHONPATH": str(ROOT)})


class Relay(World):
    """What both have in common."""

    webs: Sequence[Console]
    rows: Rows
    provider: Provider
    clock: Clock

    # --- parts ---------------------------------------------------------------------------------------------
    def build(self) -> None:
        authority = CertificateAuthority(self.directory / "authority")
        self.password, self.body = f"relay-{secrets.token_hex(12)}", f"body-{secrets.token_hex(12)}"
        script = Moody(certificate=authority.issue(), users={"torture": self.password}, ledger=self.ledger)
        script.feel(CALM)
        self.provider = self.stack.enter_context(Provider(script))
        self.disk = self.stack.enter_context(SmallDisk(self.directory / "disk", 160))
        self.environ = {"SSL_CERT_FILE": str(authority.ca_file), "TMPDIR": str(self.temporary),
                        "QUAZZAR_API_RATE": "1000000/min", "PYTHONDONTWRITEBYTECODE": "1"}  # fmt: skip
        self.build_machines()
        self.use_relay()
        self.cron = self.stack.enter_context(Cron(self.directory, self.submitting()))
        self.known = {
            folder: {str(path.relative_to(folder)) for path in folder.rglob("*")} for folder in self.folders()
        }
        self.was_well = self.complaints()

    def build_machines(self) -> None:
        """Start what the mode consists of; sets ``webs`` and ``rows``."""
        raise NotImplementedError

    def machines(self) -> Sequence[Console]:
        """All of them."""
        raise NotImplementedError

    def folders(self) -> list[Path]:
        """Their data dirs."""
        return [machine.data for machine in self.machines()]

    def submitting(self) -> dict[str, str]:
        """The settings of programs that hand in mail on a machine."""
        return {**self.webs[0].env, "CLOCK_OFFSET": ""}

    def use_relay(self) -> None:
        """Save the provider as relay."""
        self.webs[0].use_relay(
            self.provider.port, security="starttls", username="torture", password=self.password
        )

    # --- a round -------------------------------------------------------------------------------------------
    def begin(self, label: str, chance: random.Random) -> None:
        self.provider.script.chance = random.Random(chance.random())
        self.load = Load(label, chance, self.ledger, self.webs, self.body, self.submitting())
        self.load.start()

    def provider_faults(self) -> dict[str, Fault]:
        """Every mood, and crashes."""

        def feel(mood: str) -> Fault:
            return lambda _: self.provider.script.feel(mood)

        moods = {f"the provider {mood}": feel(mood) for mood in MOODS}
        return {**moods, "the provider crashes": lambda _: self.provider.restart()}

    def clocks(self) -> dict[str, Fault]:
        """Jumps that are put right soon, and some that last for more than a period of the sweeps."""

        def jump(seconds: int, lasts: float) -> Fault:
            def fault(_: random.Random) -> None:
                self.clock.set(seconds)
                time.sleep(lasts)

            return fault

        short = {f"a clock {name}": jump(seconds, 0) for name, seconds in JUMPS.items()}
        return short | {
            f"a clock {name} for a while": jump(seconds, LASTING) for name, seconds in JUMPS.items()
        }

    def heal(self, *, patient: bool) -> None:
        self.provider.calm_down()
        self.mend()
        for machine in self.machines():
            self.wait_well(machine)
        self.load.finish()
        self.cron.account(self.ledger)
        help_at = time.monotonic()
        deadline = help_at + PATIENCE
        while waiting := self.rows.waiting():
            now = time.monotonic()
            assert now < deadline, f"{len(waiting)} messages still wait: {waiting[:5]}"
            if not patient and now > help_at:
                self.hurry(waiting)
                help_at = time.monotonic() + 2
            time.sleep(0.15)

    def mend(self) -> None:
        """Take the faults of the mode away."""
        raise NotImplementedError

    def wait_well(self, machine: Console) -> None:
        """Until a machine works."""
        wait_until(machine.ready, f"{machine.data} answers /readyz", PATIENCE)

    def hurry(self, waiting: list[tuple[int, str, str]]) -> None:
        """Press Retry now for what waits for its next attempt, as an operator would."""
        for number, status, _ in waiting:
            if status != "sending":
                with contextlib.suppress(OSError, json.JSONDecodeError):
                    self.webs[0].call("POST", f"/api/mail/messages/{number}/retry")

    # --- the checks ----------------------------------------------------------------------------------------
    def check(self, *, thorough: bool) -> list[str]:
        script = self.provider.script
        buried = {address.partition("@")[0] for address in script.buried}
        wrong = checks.mail(self.ledger, self.rows, buried)
        wrong += checks.counters(self.rows)
        wrong += self.alive()
        if not wrong:
            wrong += checks.processes(self.folders())
        for folder in self.folders():
            wrong += checks.leftovers(folder, self.temporary, self.known[folder])
        said = {f"what {machine.data.name} said": machine.node.text.encode() for machine in self.machines()}
        wrong += checks.secrets(self.search(), self.folders(), said)
        if thorough and not wrong:
            wrong += checks.lasting(lambda: sorted(self.complaints() - self.was_well))
        script.buried.clear()
        self.provider.forget()
        return wrong

    def alive(self) -> list[str]:
        """Beat and worker go on: the heartbeat is one of now, not of a clock that has been set since."""

        def fresh() -> bool:
            (age,) = self.rows.ask(self.heartbeat)[0]
            return -5 < float(age) < 40

        try:
            wait_until(fresh, "the heartbeat is one of now", PATIENCE)
        except AssertionError as exc:
            return [f"{exc}: {self.rows.ask(self.heartbeat)}"]
        return []

    heartbeat = (
        "SELECT (julianday('now') - julianday(at)) * 86400 FROM quazzar_heartbeat WHERE name = 'worker'"
    )

    def search(self) -> Search:
        """For every secret of this world."""
        keys = {f"API key of {web.port}": web.key for web in self.webs}
        return Search({"relay password": self.password, "body": self.body, "operator": OPERATOR_PASSWORD, **keys,
                       **self.more_secrets()})  # fmt: skip

    def more_secrets(self) -> dict[str, str | bytes]:
        """Those of the mode."""
        return {}

    def complaints(self) -> set[str]:
        """What the doctor finds wrong, run now."""
        done = self.webs[0].run("manage.py", "doctor", "--json", CLOCK_OFFSET="")
        found = json.loads(done.stdout)["checks"]
        return {f"doctor: {check['name']} {check['level']}" for check in found if check["level"] != "ok"}


def kill(console: Console, role: str) -> None:
    """kill -9 of a part, if it runs; the supervisor starts it again."""
    with quietly():
        if pid := console.pid(role):
            os.kill(pid, signal.SIGKILL)


def flush(data: Path) -> None:
    """The embedded broker loses everything."""
    for path in data.rglob("*.sock"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            client.connect(str(path))
            client.sendall(b"FLUSHALL\r\n")
            client.recv(10)


class OnSqlite(Relay):
    """One node: supervisor, broker, web and worker, on a small disk."""

    name = "relay-sqlite"
    machine: Forgetful

    def build_machines(self) -> None:
        self.clock = Clock(self.directory)
        self.machine = Forgetful(self.disk.place, static=False, **self.environ, **self.clock.environ)
        self.webs = [self.machine]
        self.rows = Rows(self.machine.data / "quazzar.sqlite3")
        self.stack.enter_context(self.machine)
        self.stack.callback(self.unlock)
        self._lock: sqlite3.Connection | None = None
        self._halted: list[int] = []

    def machines(self) -> list[Console]:
        return [self.machine]

    def submitting(self) -> dict[str, str]:
        return {**self.machine.env}

    # --- faults --------------------------------------------------------------------------------------------
    def faults(self) -> Mapping[str, Mapping[str, Fault]]:
        def killing(role: str) -> Fault:
            return lambda _: self.kill(role)

        parts = {f"kill -9 of {role}": killing(role) for role in ("worker", "web", "broker")}
        parts |= {"kill -9 of the supervisor": lambda _: self.kill("supervisor"),
                  "kill -9 of everything": lambda _: self.kill_all(), "stop and start": lambda _: self.restart(),
                  "kill -9 of sendmail": lambda _: self.load.kill_program(),
                  "a worker that stands still": lambda _: self.halt()}  # fmt: skip
        data = {"a full disk": lambda _: self.fill(), "a locked database": lambda _: self.lock(),
                "a broker that forgets": lambda _: flush(self.machine.data)}  # fmt: skip
        return {"parts": parts, "more parts": parts, "data": data, "provider": self.provider_faults(),
                "clock": self.clocks()}  # fmt: skip

    def kill(self, role: str) -> None:
        if role == "supervisor":
            with quietly():
                os.kill(self.machine.node.process.pid, signal.SIGKILL)
        else:
            kill(self.machine, role)
        if role in ("worker", "supervisor"):
            self.ledger.doubt(f"kill -9 of {role}")

    def kill_all(self) -> None:
        """As when the power fails, as far as the kernel lets us."""
        for pid, _ in checks.of_folder(self.machine.data):
            with quietly():
                os.kill(pid, signal.SIGKILL)
        self.ledger.doubt("kill -9 of everything")

    def fill(self) -> None:
        self.ledger.doubt("results could not be stored on a full disk", lasts=True)
        self.disk.fill()

    def restart(self) -> None:
        with quietly():
            self.machine.node.stop(signal.SIGTERM)

    def halt(self) -> None:
        with quietly():
            if pid := self.machine.worker():
                os.kill(pid, signal.SIGSTOP)
                self._halted.append(pid)

    def lock(self) -> None:
        """Somebody else writes for a while."""
        if self._lock is None:
            self._lock = sqlite3.connect(
                self.machine.data / "quazzar.sqlite3",
                isolation_level=None,
                check_same_thread=False,
                timeout=5,
            )
            with contextlib.suppress(sqlite3.Error):
                self._lock.execute("BEGIN IMMEDIATE")

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def mend(self) -> None:
        self.unlock()
        self.disk.free()
        self.clock.set(0)
        for pid in self._halted:
            with quietly():
                os.kill(pid, signal.SIGCONT)
        self._halted.clear()
        if self.machine.node.process.poll() is not None:
            wait_until(lambda: not [pid for pid, _ in checks.of_folder(self.machine.data) if alive(pid)],
                       "the children of a dead supervisor end", PATIENCE)  # fmt: skip
            self.machine.launch()

    def wait_well(self, machine: Console) -> None:
        # What a broker or worker that ended has left is seen here, too: each must be back.
        super().wait_well(machine)

    def output(self) -> str:
        return self.machine.node.text
