"""The mode of the mail server: the three containers on a Docker Engine of our own, which may die or be full."""

from __future__ import annotations

import contextlib
import imaplib
import json
import os
import random
import signal
import smtplib
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import docker.errors
import requests
from docker.models.containers import Container

from tests.live.console import OPERATOR_PASSWORD
from tests.live.mailstack import HOSTNAME, Box, MailStack
from tests.live.searching import Search
from tests.quazzar.nodes import ROOT, Node, alive, wait_until
from tests.rig.daemon import Daemon, PrivateEngine, remove_project
from tests.rig.images import ensure_images
from tests.rig.mailclients import deliver, imap_login, imap_session, mail
from tests.torture import checks
from tests.torture.checks import PATIENCE
from tests.torture.operators import Clearing, Operators, Told
from tests.torture.relay import UP, kill
from tests.torture.rows import Rows
from tests.torture.world import Clock, Fault, SmallDisk, World, quietly

SERVICES = ("postfix", "dovecot", "rspamd")
DOMAIN = "torture.test"
#: Bytes of a file in a volume that is searched for secrets.
_SMALL = 200_000
_LET_DOWN = (docker.errors.DockerException, requests.exceptions.RequestException, OSError)
_REFUSED = (OSError, smtplib.SMTPException, imaplib.IMAP4.error, AssertionError)


_STRIKES: dict[str, Callable[[Container], object]] = {
    "docker kill": lambda container: container.kill(),
    "docker stop": lambda container: container.stop(timeout=2),
    "docker pause": lambda container: container.pause(),
    "docker rm -f": lambda container: container.remove(force=True),
}


class TorturedStack(MailStack):
    """A stack on an Engine in a network of its own, whose supervisor does not remember failures for long."""

    def start(self) -> None:
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it, without waiting."""
        self.node = Node([sys.executable, "-c", UP, str(self.port)], {**self.env, "PYTHONPATH": str(ROOT)})


class OnDocker(World):
    """One node and its mail server."""

    name = "mail-server"
    lasts = 6.0

    # --- parts ---------------------------------------------------------------------------------------------
    def build(self) -> None:
        self.disk = self.stack.enter_context(SmallDisk(self.directory / "disk", 160))
        self.docker_disk = self.stack.enter_context(SmallDisk(self.directory / "docker", 3500))
        self.engine = PrivateEngine(f"torture-{os.getpid()}")
        self.engine.data = self.docker_disk.place / "engine"
        self.stack.enter_context(self.engine)
        self._copy_images()
        self.clock = Clock(self.directory)
        environ: dict[str, Any] = {
            "TMPDIR": str(self.temporary),
            "DOCKER_HOST": self.engine.url,
            "QUAZZAR_STACK_BIND": "",
            "QUAZZAR_API_RATE": "1000000/min",
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.clock.environ,
        }
        self.client = self.engine.client()
        self.stack.callback(self.client.close)
        self.node = TorturedStack(
            self.disk.place, self.client, self.images, "qz-torture", static=False, **environ
        )
        self.node.address = self.engine.address
        self.stack.enter_context(self.node)
        self.stack.callback(self._remove)
        self.stack.callback(self.unlock)
        self._lock: sqlite3.Connection | None = None
        self.rows = Rows(self.node.data / "quazzar.sqlite3")
        self.node.enable(HOSTNAME)
        self.domain = self.node.add_domain(DOMAIN)
        self.alice = self.node.add_mailbox(self.domain, "alice")
        self.node.wait_synced()
        self.alice.wait_login(60)
        self.told = Told(everything=[self.alice.password])
        self.known = {str(path.relative_to(self.node.data)) for path in self.node.data.rglob("*")}

    def _copy_images(self) -> None:
        with Daemon() as daemon, contextlib.closing(daemon.client()) as source:
            self.images = ensure_images(source)
            for image in (self.images.postfix, self.images.dovecot, self.images.rspamd):
                self.engine.copy_image(source, image)

    def _remove(self) -> None:
        self.docker_disk.free()
        self.engine.start()
        remove_project(self.client, self.node.project)

    # --- a round -------------------------------------------------------------------------------------------
    def begin(self, label: str, chance: random.Random) -> None:
        self.operators = Operators(self.node, int(self.domain["id"]), DOMAIN, self.told, label, chance)
        self.operators.start()
        self._over = threading.Event()
        self.post = threading.Thread(target=self._post, args=(label,), daemon=True)
        self.post.start()

    def _post(self, label: str) -> None:
        """The world outside: mail for Alice."""
        for number in range(40):
            token = f"torture-{label}-{number}"
            try:
                answer = deliver(self.node.server, mail(token, to=self.alice.address), self.alice.address)
            except _REFUSED:
                self.ledger.lose_answer(token, "port 25")
            else:
                if answer.accepted:
                    self.ledger.accept(token, "port 25")
                else:
                    self.ledger.refuse(token, str(answer))
            if self._over.wait(0.5):
                return

    def faults(self) -> Mapping[str, Mapping[str, Fault]]:
        def killing(role: str) -> Fault:
            return lambda _: kill(self.node, role)

        def container(service: str, how: str) -> Fault:
            return lambda _: self.container(service, how)

        parts = {f"kill -9 of {role}": killing(role) for role in ("worker", "web", "broker")}
        parts |= {"kill -9 of the supervisor": lambda _: self.kill_supervisor()}
        containers = {
            f"{how} of {service}": container(service, how) for service in SERVICES for how in _STRIKES
        }
        inside = {"kill -9 of Postfix's master": lambda _: self.inside("postfix", "pkill -9 -x master"),
                  "kill -9 of all of Dovecot": lambda _: self.inside("dovecot", "pkill -9 dovecot"),
                  "kill -9 of Rspamd": lambda _: self.inside("rspamd", "pkill -9 rspamd")}  # fmt: skip
        engine = {"kill -9 of dockerd": lambda _: self.engine.kill(), "dockerd stops": lambda _: self.engine.stop(),
                  "a full disk under Docker": lambda _: self.docker_disk.fill(),
                  "a full disk in a container": lambda _: self.fill_container()}  # fmt: skip
        data = {"a full disk": lambda _: self.disk.fill(), "a locked database": lambda _: self.lock(),
                "a clock an hour ahead": lambda _: self.clock.set(3600),
                "a clock an hour behind": lambda _: self.clock.set(-3600)}  # fmt: skip
        return {"parts": parts, "containers": containers, "inside": inside, "engine": engine, "data": data}

    def container(self, service: str, how: str) -> None:
        with contextlib.suppress(*_LET_DOWN):
            _STRIKES[how](self.node.container(service))

    def inside(self, service: str, command: str) -> None:
        with contextlib.suppress(*_LET_DOWN):
            self.node.container(service).exec_run(["sh", "-c", command])

    def fill_container(self) -> None:
        """Somebody's mail has used up the volume."""
        with contextlib.suppress(*_LET_DOWN):
            self.node.container("dovecot").exec_run(
                ["sh", "-c", "head -c 9G /dev/zero >/srv/vmail/filler"], detach=True
            )

    def kill_supervisor(self) -> None:
        with quietly():
            os.kill(self.node.node.process.pid, signal.SIGKILL)

    def lock(self) -> None:
        """Somebody else writes for a while."""
        if self._lock is None:
            where = self.node.data / "quazzar.sqlite3"
            self._lock = sqlite3.connect(where, isolation_level=None, check_same_thread=False, timeout=5)
            with contextlib.suppress(sqlite3.Error):
                self._lock.execute("BEGIN IMMEDIATE")

    def unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # --- healing -------------------------------------------------------------------------------------------
    def heal(self, *, patient: bool) -> None:
        self.unlock()
        self.disk.free()
        self.docker_disk.free()
        self.clock.set(0)
        self.engine.start()
        self._free_container()
        if self.node.node.process.poll() is not None:
            wait_until(
                lambda: not [pid for pid, _ in checks.of_folder(self.node.data) if alive(pid)],
                "its end",
                PATIENCE,
            )
            self.node.launch()
        wait_until(self.node.ready, "it answers /readyz", PATIENCE)
        self.operators.finish()
        self._over.set()
        self.post.join(PATIENCE)
        if not patient:
            self.node.call("POST", "/api/mail/stack/repair")
        wait_until(self._well, "the stack is healthy, in step, and every import is done", PATIENCE)

    def _free_container(self) -> None:
        for container in self.client.containers.list(filters={"status": "paused"}):
            container.unpause()
        for volume in (self.docker_disk.place / "engine" / "volumes").glob("*/_data"):
            for filler in [*volume.glob("filler"), *volume.glob("*/filler")]:
                self._stop_filling()
                filler.unlink(missing_ok=True)

    def _stop_filling(self) -> None:
        with contextlib.suppress(*_LET_DOWN):
            self.node.container("dovecot").exec_run(["pkill", "-9", "head"])

    def _well(self) -> bool:
        try:
            state = self.node.state()
            running = self.rows.ask("SELECT count(*) FROM mailboxes_importjob WHERE state = 'running'")[0][0]
            return bool(state["phase"] == "healthy" and self.node.synced() and not running)
        except (AssertionError, OSError, sqlite3.Error):
            return False

    # --- checks --------------------------------------------------------------------------------------------
    def check(self, *, thorough: bool) -> list[str]:
        self._gather()
        wrong = [f"{token} was accepted and is lost" for token in self.ledger.lost(set())]
        wrong += self._rows()
        wrong += self._files()
        wrong += self._logins()
        wrong += self._parts()
        wrong += checks.processes([self.node.data])
        wrong += checks.leftovers(self.node.data, self.temporary, self.known)
        wrong += self._secrets()
        if thorough and not wrong:
            done = self.node.run("manage.py", "reconcile", "--dry-run", CLOCK_OFFSET="")
            wrong += [] if done.returncode == 0 else [f"reconcile: {done.stdout.decode()}"]
        Clearing(self.node).clear({self.alice.address})
        self.told = Told(everything=[self.alice.password])
        return wrong

    def _gather(self) -> None:
        """What Alice has got, until everything that was accepted is there; her mailbox is empty afterwards."""
        arrived: Counter[str] = Counter()
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(*_REFUSED), imap_session(self.node.server, self.alice.login) as client:
                for folder in ("INBOX", "Junk"):
                    arrived.update(_taken(client, folder))
            if not set(self.ledger.accepted) - set(arrived) or time.monotonic() > deadline:
                break
            self.inside("postfix", "postqueue -f")
            time.sleep(0.5)
        for token in arrived.elements():
            self.ledger.doubt("Postfix delivered it again", limit=1, token=token)
            self.ledger.arrive(token)

    def _rows(self) -> list[str]:
        """What the operators were told is in the rows."""
        live = {
            address
            for (address,) in self.rows.ask("SELECT address FROM mailboxes_mailbox WHERE deleted_at IS NULL")
        }
        aliases = {address for (address,) in self.rows.ask("SELECT address FROM mailboxes_alias")}
        wrong = []
        for address, password in self.told.passwords.items():
            if (password is not None) != (address in live):
                wrong.append(
                    f"{address} {'was added, and has no row' if password else 'is gone, and has a row'}"
                )
        strangers = live - set(self.told.passwords) - set(self.told.unsure) - {self.alice.address}
        wrong += [f"nobody added {address}" for address in sorted(strangers)]
        wrong += [
            f"the alias {address} was added, and has no row"
            for address in self.told.aliases
            if address not in aliases
        ]
        return wrong

    def _files(self) -> list[str]:
        """Rows = users file = what Postfix looks up, which has no alias that leads nowhere."""
        live = {
            address
            for (address,) in self.rows.ask("SELECT address FROM mailboxes_mailbox WHERE deleted_at IS NULL")
        }
        own = self.rows.ask("SELECT own_address FROM mailboxes_stack WHERE own_mailbox AND own_address <> ''")
        live |= {address for (address,) in own}
        leading = self.rows.ask("SELECT address, destinations FROM mailboxes_alias")
        aliases = {address for address, to in leading if live & set(json.loads(to))}
        users = {
            line.partition(":")[0]
            for line in self.node.inside("dovecot", "cat", "/etc/dovecot/users").splitlines()[1:]
        }
        table = "/mail-config/postfix"
        boxes = self._keys(self.node.inside("postfix", "postmap", "-s", f"lmdb:{table}/mailboxes"))
        ways = self._keys(self.node.inside("postfix", "postmap", "-s", f"lmdb:{table}/aliases"))
        wrong = [] if users == live else [f"users file and rows differ: {sorted(users ^ live)}"]
        wrong += [] if boxes == live else [f"Postfix's mailboxes and the rows differ: {sorted(boxes ^ live)}"]
        wrong += [f"Postfix does not know the alias {address}" for address in sorted(aliases - ways)]
        gone = {address for address in ways if address.endswith(f"@{DOMAIN}")} - live - aliases
        wrong += [
            f"Postfix still knows {address}"
            for address in sorted(gone)
            if not address.startswith(("postmaster@", "abuse@", "bounces@", "dmarc@", "tlsrpt@"))
        ]
        left = self.node.inside(
            "postfix", "sh", "-c", "ls -A /mail-config /mail-dkim | grep '^[.]quazzar' | grep -v lock || true"
        )
        return wrong + ([f"temporary files in the volumes: {left.split()}"] if left.strip() else [])

    @staticmethod
    def _keys(said: str) -> set[str]:
        return {line.split("\t")[0] for line in said.splitlines() if line}

    def _logins(self) -> list[str]:
        """What Dovecot answers: to doveadm for everybody, to a real IMAP login for some."""
        wrong = []
        for address, password in [*self.told.passwords.items(), (self.alice.address, self.alice.password)]:
            passes = self._passes(address, password or "anything-else")
            if passes != (password is not None):
                wrong.append(f"doveadm auth test {'lets in' if passes else 'refuses'} {address}")
        for address, possible in self.told.unsure.items():
            fitting = [each for each in possible if each and self._passes(address, each)]
            if not fitting and None not in possible:
                wrong.append(f"none of its passwords lets in {address}")
        some = next((Box(self.node, 0, *pair) for pair in self.told.passwords.items() if pair[1]), self.alice)  # type: ignore[arg-type]
        with contextlib.suppress(OSError):
            if not imap_login(self.node.server, some.login):
                wrong.append(f"IMAP refuses {some.address}")
        return wrong

    def _passes(self, address: str, password: str) -> bool:
        result = self.node.container("dovecot").exec_run(["doveadm", "auth", "test", address, password])
        return result.exit_code == 0

    def _parts(self) -> list[str]:
        """Exactly the containers, the network and the volumes of one stack; none of another's, and none beside."""
        try:
            self.node.check_parts("healthy")
        except AssertionError as exc:
            return [f"parts of the stack: {exc}"[:300]]
        others = [container.name for container in self.client.containers.list(all=True)
                  if not str(container.name).startswith(self.node.project)]  # fmt: skip
        return [f"the container {name} is left" for name in others]

    def _secrets(self) -> list[str]:
        keys = {"operator": OPERATOR_PASSWORD, "API key": self.node.key}
        search = Search({**keys, **{f"password {n}": each for n, each in enumerate(self.told.everything)}})
        said: dict[str, bytes] = {"what it said": self.node.node.text.encode()}
        for service in SERVICES:
            found = self.node.container(service)
            said |= {
                f"docker inspect {service}": str(found.attrs).encode(),
                f"docker logs {service}": found.logs(),
            }
        return checks.secrets(search, [self.node.data], {**said, **self._volumes()})

    def _volumes(self) -> dict[str, bytes]:
        """What is in the volumes, but for large files: tables of LMDB are mostly holes, and made from small ones."""
        found = {}
        for path in (self.docker_disk.place / "engine" / "volumes").rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_file() and path.stat().st_size < _SMALL:
                    found[str(path)] = path.read_bytes()
        return found

    def output(self) -> str:
        state: Any = ""
        with contextlib.suppress(Exception):
            state = self.node.state()
        return f"{self.node.node.text[-9000:]}\n{state}"


def _taken(client: imaplib.IMAP4_SSL, folder: str) -> list[str]:
    """The subjects of a folder's messages, which are deleted. Rspamd may take them for spam."""
    if client.select(folder)[0] != "OK":
        return []
    subjects = []
    _, found = client.search(None, "ALL")
    for number in found[0].split():
        _, parts = client.fetch(number.decode(), "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        subjects.append(parts[0][1].decode().partition(":")[2].strip())  # type: ignore[index,union-attr]
        client.store(number.decode(), "+FLAGS", "\\Deleted")
    client.expunge()
    return subjects
