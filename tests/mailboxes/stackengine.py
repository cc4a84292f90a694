"""The fake Engine with the effects of our scripts in the containers; it keeps the files for tests to read."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailboxes.engine.values import PutFile, Result
from mailboxes.mailqueue import watch
from mailboxes.models import Stack
from mailboxes.push import recipe, render, writer
from mailboxes.stack import drift, versions
from tests.fakeparts import Ran
from tests.fakes import FakeEngine
from tests.mailboxes.mailworld import MailWorld

IMAGES = ("boky/postfix:v5.1.0", "dovecot/dovecot:2.4.4-root", "rspamd/rspamd:4.1")
HOSTNAME = "mail.example.com"
TABLES = {"tables": ("domains", "mailboxes", "aliases", "senders"), "relay": ("sasl_passwd", "tls_policy")}


@dataclass(frozen=True)
class Push:
    """One successful run of a write script."""

    what: str
    expected: str
    files: dict[str, bytes] = field(repr=False)
    actions: tuple[str, ...] = ()


class StackEngine(FakeEngine):
    """A fake Engine that has the three images.

    Attributes:
        project: name of the stack's project.
        pushes: what the scripts wrote, in order.
        done: pushes, kicks and reloads, in order, in a word each.
        kicked: addresses whose sessions were ended.
        fresh: lines in Dovecot's directory ``fresh``.
        whole: of each users file that came, whether it was more than a difference.
        in_force: table → rows that Postfix sees since the last postmap; and ``relayhost``.
        before: called with the method's name before each call.
        exits: script → exit codes of its next runs, which then write nothing.
        mail: what the containers do with mail.
    """

    def __init__(self, project: str, images: Sequence[str] = IMAGES) -> None:
        super().__init__(images)
        self.project = project
        self.pushes: list[Push] = []
        self.done: list[str] = []
        self.kicked: list[str] = []
        self.fresh: list[str] = []
        self.whole: list[bool] = []
        self.in_force: dict[str, bytes] = {}
        self.wrong_owners: set[str] = set()
        self.before: Callable[[str], None] = lambda method: None
        self.exits: dict[str, list[int]] = {}
        self.mail = MailWorld(self)
        for argv, answer in (self._scripts() | self.mail.scripts()).items():
            self.reply(*argv, with_=answer)

    def _scripts(self) -> dict[tuple[str, ...], Callable[[Ran], Result]]:
        bash = ("bash", "-c")
        return {
            (*recipe.command_of("write_users.pl"),): self._write_users,
            (*recipe.command_of("write_bundle.sh"),): self._write_bundle,
            (*bash, writer._KICK): self._kick,
            (*bash, drift._CONFIG): self._config_digests,
            (*bash, drift._OWN): self._own,
            (*bash, drift._POSTFIX): self._postfix_digests,
            (*bash, drift._RSPAMD): self._rspamd_digests,
            (*bash, "kill -HUP 1"): self._reload_rspamd,
            (*bash, writer._SHOW): self._show,
            ("doveadm", "reload"): self._reload,
            ("postqueue", "-f"): lambda ran: Result(0),
            ("postconf", "-h"): lambda ran: Result(0, b"3.10.4\n"),
            ("sh", "-c", versions._COMMANDS["dovecot"][-1]): lambda ran: Result(0, b"2.4.5-1 (7d8c0e5759)\n"),
            ("rspamd", "--version"): lambda ran: Result(0, b"Rspamd daemon version 4.1.5\n"),
            ("bash", "-o", "pipefail", "-c", watch._COMMAND[-1]): lambda ran: Result(0),
            ("head", "-n", "1"): self._first_line,
            ("rm", "-rf", "--"): lambda ran: Result(0),
        }

    def begin(self, method: str, arguments: tuple[Any, ...]) -> None:
        self.before(method)
        super().begin(method, arguments)

    def renew(self) -> None:
        """Starts again as a new Engine that has nothing but the images."""
        type(self).__init__(self, self.project)

    def forget(self) -> None:
        """Clears the records of calls, commands, pushes and kicks."""
        for record in (self.calls, self.commands, self.pushes, self.done, self.kicked):
            record.clear()

    # --- what tests read ------------------------------------------------------------------------------------
    @property
    def config(self) -> dict[str, PutFile]:
        """Path → file, in the volume mail-config."""
        return self.disks[f"{self.project}-mail-config"].files

    @property
    def keys(self) -> dict[str, PutFile]:
        """Path → file, in the volume mail-dkim."""
        return self.disks[f"{self.project}-mail-dkim"].files

    def users(self) -> dict[str, str]:
        """Address → hash, as Dovecot reads them."""
        rows = (line.split(b":")[:2] for line in self.config["users"].data.splitlines()[1:])
        return {address.decode(): hashed.decode() for address, hashed in rows}

    def accepted(self) -> set[str]:
        """The addresses that Postfix accepts mail for."""
        return {line.split()[0].decode() for line in self.in_force["mailboxes"].splitlines()}

    def generation(self, what: str) -> str:
        """The generation in the users file, or beside the bundle."""
        if what == "bundle":
            return self._data("postfix/generation").decode().strip()
        generation = render.generation_of(self._data("users").partition(b"\n")[0])
        return "" if generation is None else str(generation)

    def put_by_hand(self, path: str, data: bytes) -> None:
        """Edits a file of mail-config, as a person in the container would."""
        self.config[path] = PutFile(path, data)

    def everything(self) -> dict[str, Any]:
        """The state to compare: files with modes, containers, networks, and what Postfix sees."""
        files = {
            f"{disk}/{path}": (file.data, file.mode)
            for disk, volume in self.disks.items()
            for path, file in volume.files.items()
        }
        boxes = {name: (box.spec, box.status, box.health) for name, box in self.boxes.items()}
        return {"files": files, "boxes": boxes, "networks": set(self.networks), "in force": self.in_force}

    def _data(self, path: str) -> bytes:
        return self.config[path].data if path in self.config else b""

    # --- what the containers do -------------------------------------------------------------------------------
    def _start(self, name: str) -> None:
        super()._start(name)
        if name.endswith("-postfix"):
            self._take_tables("tables", "relay")

    def _take_tables(self, *actions: str) -> None:
        tables = (table for action in actions for table in TABLES.get(action, ()))
        self.in_force |= {table: self._data(f"postfix/{table}") for table in tables}
        if "relay" in actions:
            self.in_force["relayhost"] = self._data("postfix/relayhost")

    def _write_users(self, ran: Ran) -> Result:
        expected = ran.argv[4]
        data, code = self._received("users", expected, ran)
        if not code:
            self.config["users"] = PutFile("users", data, 0o640)
            self.fresh = self._lines_for_fresh(ran)
            self._note(Push("users", expected, {"users": data}))
        return Result(code)

    def _write_bundle(self, ran: Ran) -> Result:
        expected, new, *actions = ran.argv[4:]
        data, code = self._received("bundle", expected, ran)
        if code:
            return Result(code)
        files = unpacked(data)
        if "dkim" in actions:
            names = {path.removeprefix("dkim/") for path in files if path.startswith("dkim/")}
            for left in [path for path in self.keys if path not in names]:
                del self.keys[left]
        for path, file in files.items():
            volume = self.keys if path.startswith("dkim/") else self.config
            volume[path.removeprefix("dkim/")] = file
        self._take_tables(*actions)
        self.put_by_hand("postfix/generation", f"{new}\n".encode())
        self._note(Push("bundle", expected, {path: file.data for path, file in files.items()}, (*actions,)))
        return Result(0)

    def _received(self, what: str, expected: str, ran: Ran) -> tuple[bytes, int]:
        if self.exits.get(what):
            return b"", self.exits[what].pop(0)
        if expected not in {recipe.ANY, self.generation(what)}:
            return b"", 76
        announced, _, data = (ran.stdin or b"").partition(b"\n")
        _, digest, *more = announced.decode().split()
        code = 77
        if more:
            count, at, kept, rest = map(int, more)
            first, *_, data = data.split(b"\n", count + 1)
            old = self._data("users")
            data = b"".join((first, b"\n", old[at : at + kept], data, old[rest:] if rest >= 0 else b""))
            self.whole.append(not kept and rest < 0)
            code = 77 if self.whole[-1] else 78
        return data, 0 if digest == hashlib.sha256(data).hexdigest() else code

    @staticmethod
    def _lines_for_fresh(ran: Ran) -> list[str]:
        announced, _, rest = (ran.stdin or b"").partition(b"\n")
        count = int(announced.split()[2])
        return [line.decode().partition(" ")[2] for line in rest.split(b"\n", count + 1)[1 : count + 1]]

    def _note(self, done: Push) -> None:
        self.pushes.append(done)
        self.done.append(done.what)

    def _kick(self, ran: Ran) -> Result:
        if self.exits.get("kick"):
            return Result(self.exits["kick"].pop(0))
        self.kicked += ran.argv[4:]
        self.done.append("kick")
        return Result(0)

    def _reload(self, ran: Ran) -> Result:
        self.done.append("doveadm reload")
        return Result(0)

    def _reload_rspamd(self, ran: Ran) -> Result:
        self.done.append("rspamd reload")
        return Result(0)

    def _show(self, ran: Ran) -> Result:
        for path in ran.argv[4:]:
            volume = self.keys if path.startswith("/mail-dkim/") else self.config
            name = path.removeprefix("/mail-dkim/").removeprefix("/etc/dovecot/")
            if name in volume:
                return Result(0, volume[name].data)
        return Result(0)

    def _first_line(self, ran: Ran) -> Result:
        path = ran.argv[3].removeprefix("/etc/dovecot/")
        data = self._data(path)
        return Result(0, data.partition(b"\n")[0] + b"\n") if path in self.config else Result(1)

    def _config_digests(self, ran: Ran) -> Result:
        digests = [(sha(self._data(path)), path) for path in ran.argv[4:] if path in self.config]
        if "users" in self.config:
            digests.append((sha(self._data("users").partition(b"\n")[2]), "users"))
        if not {*self.fresh} <= {*self._data("users").decode(errors="replace").splitlines()}:
            digests.append(("fresh differs", "users"))
        digests += [("owner", f"mail/{name}") for name in sorted(self.wrong_owners)]
        return Result(0, "".join(f"{digest}  {name}\n" for digest, name in digests).encode())

    def _own(self, ran: Ran) -> Result:
        self.wrong_owners -= {*ran.argv[4:]}
        self.done.append("own")
        return Result(0)

    def _rspamd_digests(self, ran: Ran) -> Result:
        digests = [(sha(file.data), f"dkim/{name}") for name, file in self.keys.items()]
        return Result(0, "".join(f"{digest}  {name}\n" for digest, name in digests).encode())

    def _postfix_digests(self, ran: Ran) -> Result:
        digests = []
        for table in TABLES["tables"]:
            rows = sorted(
                line.replace(b" ", b"\t", 1) for line in self.in_force[table].splitlines(keepends=True)
            )
            digests.append((sha(b"".join(rows)), f"postfix/{table}.lmdb"))
        digests.append((sha(self.in_force["relayhost"].strip() + b"\n"), "postfix/relayhost in force"))
        return Result(0, "".join(f"{digest}  {name}\n" for digest, name in digests).encode())


def unpacked(data: bytes) -> dict[str, PutFile]:
    """The files of a tar."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = ((entry, archive.extractfile(entry)) for entry in archive)
        return {
            entry.name: PutFile(entry.name, file.read(), entry.mode)
            for entry, file in members
            if file is not None
        }


def sha(data: bytes) -> str:
    """The digest as sha256sum prints it."""
    return hashlib.sha256(data).hexdigest()


def percents(engine: StackEngine) -> list[tuple[str, int]]:
    """Phase and percentage before each call from now on, as the page would show them."""
    shown: list[tuple[str, int]] = []

    def look(method: str) -> None:
        stack = Stack.load()
        shown.append((stack.phase, stack.percent))

    engine.before = look
    return shown
