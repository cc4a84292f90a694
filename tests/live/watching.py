"""Watchers of a running stack, many times a second: what they see must be complete at every moment."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Self

import docker.errors
import requests

from tests.rig.mailclients import Login, imap_login

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.live.mailstack import MailStack

_GENERATION = re.compile(r"# quazzar generation (\d+)")
_USER = re.compile(r"([^:@\s]+@[a-z0-9.-]+):(\{ARGON2ID\}\$argon2id\$[^:\s]{60,}|\{CRYPT\}\*)::::"
                   r"/srv/vmail/[^:\s]+::(userdb_quota_storage_size=\d+M)?")  # fmt: skip
_ROW = re.compile(r"([^@\s]+@[a-z0-9.-]+)\t\S+")
_BETWEEN = 0.1
_GONE = (docker.errors.APIError, requests.exceptions.RequestException, OSError)


class Onlooker(threading.Thread):
    """Watches until the context ends, and then fails if it saw anything wrong."""

    between = _BETWEEN

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.looks = 0
        self.wrong: list[str] = []
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self.between):
            self.look()

    def look(self) -> None:
        """Looks once, or for as long as there is something to see."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        self._over.set()
        self.join(30)
        print(f"{self.name}: {self.looks} looks")
        if kind is None:
            assert self.looks
            assert not self.wrong, self.wrong[:5]

    def check(self, true: bool, sentence: str) -> None:
        """Remembers what is wrong."""
        if not true:
            self.wrong.append(f"{time.time():.3f} {sentence}")


class FileWatch(Onlooker):
    """Reads a file in a container over and over. An address that was seen once must stay, until it ``may_leave``."""

    def __init__(self, stack: MailStack, service: str, command: str) -> None:
        super().__init__(command)
        self.may_leave: set[str] = set()
        self._stack, self._service = stack, service
        self._seen: set[str] = set()
        self._enough = f"/tmp/enough-{id(self):x}"
        # For a limited time: the watching process may not get to end it. Waits by `read`, from a pipe that stays
        # empty: a process for each pause would cost more than the look.
        told = f"{command} && echo '@ end' || echo '@ missing'"
        self._script = (
            f"exec 3<> <(:); while [ $SECONDS -lt 400 ] && [ ! -e {self._enough} ]; do {told}; "
            f"read -rt {self.between} -u 3; done"
        )

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        self._over.set()
        with contextlib.suppress(*_GONE):
            self._stack.container(self._service).exec_run(["touch", self._enough])
        super().__exit__(kind, *exc)

    def look(self) -> None:
        with contextlib.suppress(*_GONE):
            rows: list[str] = []
            for line in self._lines():
                if line == "@ end":
                    self._judge(rows)
                elif line == "@ missing":
                    self.check(not self._seen, "the file is missing")
                else:
                    rows.append(line)
                    continue
                rows = []
                if self._over.is_set():
                    return

    def _lines(self) -> Iterator[str]:
        api = self._stack.client.api
        argv = ["bash", "-c", self._script]
        command = api.exec_create(f"{self._stack.project}-{self._service}", argv, stderr=False)["Id"]
        rest = b""
        for chunk in api.exec_start(command, stream=True):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (line.decode(errors="replace") for line in whole)

    def _judge(self, rows: list[str]) -> None:
        self.looks += 1
        there = self.addresses(rows)
        lost = self._seen - there - self.may_leave
        self.check(not lost, f"{sorted(lost)} are missing in {rows[:1]}")
        self._seen = (self._seen | there) - self.may_leave

    def addresses(self, rows: list[str]) -> set[str]:
        """Who is in it; each line must be whole."""
        found = [_ROW.fullmatch(row) for row in rows]
        self.check(all(found), f"half a line in {rows}")
        return {match[1] for match in found if match}


class UsersWatch(FileWatch):
    """The users file: its generation never falls."""

    def __init__(self, stack: MailStack) -> None:
        read = "mapfile -t rows </etc/dovecot/users"
        super().__init__(stack, "dovecot", f"{read} && printf '%s\\n' \"${{rows[@]}}\"")
        self.generation = 0

    def addresses(self, rows: list[str]) -> set[str]:
        head = _GENERATION.fullmatch(rows[0]) if rows else None
        generation = int(head[1]) if head else -1
        self.check(generation >= self.generation, f"generation {generation} after {self.generation}")
        self.generation = max(generation, self.generation)
        found = [_USER.fullmatch(row) for row in rows[1:]]
        self.check(all(found), f"half a line in {rows}")
        return {match[1] for match in found if match}


class TableWatch(FileWatch):
    """The table of the mailboxes that get mail, as Postfix looks it up."""

    between = 0.2  # a process each time

    def __init__(self, stack: MailStack) -> None:
        super().__init__(stack, "postfix", "postmap -s lmdb:/mail-config/postfix/mailboxes")


class LoginWatch(Onlooker):
    """A user whom no change concerns logs in again and again."""

    # Each login costs a tenth of a second of a processor: its hash, TLS, and processes of its own.
    between = 0.6

    def __init__(self, stack: MailStack, login: Login) -> None:
        super().__init__(f"logins of {login.address}")
        self._stack, self._login = stack, login

    def look(self) -> None:
        self.looks += 1
        try:
            self.check(imap_login(self._stack.server, self._login), "refused")
        except OSError as exc:
            self.check(False, f"no answer: {exc!r}")


class ProgressWatch(Onlooker):
    """The row that the page shows: while the stack is brought up its percent never falls."""

    def __init__(self, data: Path) -> None:
        super().__init__("progress")
        self.phases: list[str] = []
        self._file = f"file:{data / 'quazzar.sqlite3'}?mode=ro"
        self._percent, self._enabled = 0, 0

    def look(self) -> None:
        with contextlib.closing(sqlite3.connect(self._file, uri=True)) as database:
            row = database.execute("SELECT enabled, phase, percent FROM mailboxes_stack").fetchone()
        if row is None:
            return
        self.looks += 1
        enabled, phase, percent = row
        if phase not in self.phases[-1:]:
            self.phases.append(phase)
        if enabled and self._enabled:
            self.check(percent >= self._percent, f"{percent} % after {self._percent} %, {phase}")
        self._percent, self._enabled = percent, enabled
