"""Two operators and an import who change mailboxes and aliases at once, and what they were told."""

from __future__ import annotations

import http.client
import json
import random
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.torture.checks import PATIENCE

if TYPE_CHECKING:
    from tests.live.console import Console

_NO_ANSWER = (OSError, http.client.HTTPException, json.JSONDecodeError)
#: More than these are deleted again, so that a round's checks stay short.
_MOST = 12


@dataclass
class Told:
    """What the operators know.

    Attributes:
        passwords: address → the password that it has; None: it was deleted.
        unsure: addresses of which the latest change got no answer, with what they may be now.
        everything: every password that was ever given, for the search for secrets.
    """

    passwords: dict[str, str | None] = field(default_factory=dict)
    unsure: dict[str, set[str | None]] = field(default_factory=dict)
    aliases: dict[str, str | None] = field(default_factory=dict)
    unsure_aliases: set[str] = field(default_factory=set)
    everything: list[str] = field(default_factory=list)

    def new_password(self) -> str:
        """One that nobody has."""
        self.everything.append(f"pass-{secrets.token_hex(10)}")
        return self.everything[-1]


class Operators:
    """The changes of one round; use `start`, and `finish` once the world is healed."""

    def __init__(
        self, console: Console, domain: int, name: str, told: Told, label: str, chance: random.Random
    ) -> None:
        self._console, self._domain, self._name, self._told, self._label = console, domain, name, told, label
        self.jobs: list[int] = []
        self._numbers: dict[str, int] = {}
        works = [self._change, self._change, self._import]
        self._threads = [
            threading.Thread(target=work, args=(number, random.Random(chance.random())), daemon=True)
            for number, work in enumerate(works)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Wait until all have done their work."""
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "an operator hangs"

    def _call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """0 in place of a status: there was no answer."""
        try:
            return self._console.call(method, path, body)
        except _NO_ANSWER:
            return 0, None

    def _change(self, operator: int, chance: random.Random) -> None:
        own: dict[str, int] = {}
        for number in range(chance.randint(3, 5)):
            what = chance.choice(["add", "password", "remove", "alias", "add"])
            if what == "add" or not own:
                self._add(f"op{operator}-{self._label}-{number}", own)
            elif what == "password":
                self._password(*chance.choice(sorted(own.items())))
            elif what == "remove":
                address = chance.choice(sorted(own))
                self._remove(address, own.pop(address))
            else:
                self._alias(f"alias{operator}-{self._label}-{number}", chance.choice(sorted(own)))
            time.sleep(chance.uniform(0, 0.4))
        for address, number in own.items():
            if len([each for each in self._told.passwords.values() if each]) > _MOST:
                self._remove(address, number)

    def _add(self, local: str, own: dict[str, int]) -> None:
        address, password = f"{local}@{self._name}", self._told.new_password()
        body = {"domain": self._domain, "local_part": local, "password": password}
        status, answer = self._call("POST", "/api/mail/mailboxes", body)
        if status == 201:
            self._told.passwords[address] = password
            own[address] = int(answer["id"])
        elif status == 0:
            self._told.unsure[address] = {password, None}
        else:
            self._told.passwords[address] = None

    def _password(self, address: str, number: int) -> None:
        password = self._told.new_password()
        status, _ = self._call("PATCH", f"/api/mail/mailboxes/{number}", {"password": password})
        if status == 200:
            self._told.passwords[address] = password
        elif status == 0:
            self._told.unsure[address] = {password, self._told.passwords.pop(address, None)}

    def _remove(self, address: str, number: int) -> None:
        status, _ = self._call("DELETE", f"/api/mail/mailboxes/{number}")
        if status == 204:
            self._told.passwords[address] = None
        elif status == 0:
            self._told.unsure[address] = {self._told.passwords.pop(address, None), None}

    def _alias(self, local: str, destination: str) -> None:
        body = {"domain": self._domain, "local_part": local, "destinations": [destination]}
        status, _ = self._call("POST", "/api/mail/aliases", body)
        address = f"{local}@{self._name}"
        if status == 201:
            self._told.aliases[address] = destination
        elif status == 0:
            self._told.unsure_aliases.add(address)

    def _import(self, _number: int, chance: random.Random) -> None:
        """A file of mailboxes: all of it or nothing."""
        time.sleep(chance.uniform(0, 1))
        rows = {f"csv{self._label}-{number}@{self._name}": self._told.new_password() for number in range(3)}
        text = "address,password,quota_mb,display_name\n"
        text += "".join(f"{address},{password},0,Imported\n" for address, password in rows.items())
        try:
            status, content = self._console.exchange(
                "POST", "/api/mail/mailboxes/import", text.encode(), **{"Content-Type": "text/csv"}
            )
            job = json.loads(content)
        except _NO_ANSWER:
            status, job = 0, None
        if status == 202:
            self.jobs.append(int(job["id"]))
            self._told.passwords |= rows
        elif status == 0:
            self._told.unsure |= {address: {password, None} for address, password in rows.items()}


class Clearing:
    """Removes what a round has made, so that the next ones are as quick."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def clear(self, keep: set[str]) -> None:
        """Delete every mailbox and alias but these addresses."""
        for path in ("aliases", "mailboxes"):
            _, answer = self._console.get(f"/api/mail/{path}?page_size=500")
            for row in answer["results"]:
                if row["address"] not in keep:
                    self._console.call("DELETE", f"/api/mail/{path}/{row['id']}")
