"""What the fake containers do with mail, and the helper with the volumes, as far as an upgrade sees it."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable
from email import message_from_bytes
from typing import TYPE_CHECKING, Any

import dkim

from mailboxes.engine.values import PutFile, Result
from mailboxes.provisioning import passwords
from mailboxes.upgrades import candidates, proof, volumes
from tests.fakeparts import Ran

if TYPE_CHECKING:
    from tests.mailboxes.stackengine import StackEngine

GIB = 1024**3


class MailWorld:
    """The effects of curl, of Postfix's tools, and of the helper's scripts.

    Attributes:
        broken: id of an image → what does not work in it: login, anybody, submission, delivery, incoming or signature.
        copies: number of an upgrade → what its copy of the volumes holds.
        inbox: address → mails; what Dovecot stores.
        room: what is free in the volume, bytes and files.
        refused: script of the helper → how often it fails next.
    """

    def __init__(self, engine: StackEngine) -> None:
        self._engine = engine
        self.broken: dict[str, str] = {}
        self.copies: dict[str, dict[str, dict[str, PutFile]]] = {}
        self.inbox: dict[str, list[bytes]] = {}
        self.room = (40 * GIB, 1_000_000)
        self.refused: dict[str, int] = {}
        self._queue: dict[str, tuple[str, str, bytes]] = {}

    def scripts(self) -> dict[tuple[str, ...], Callable[[Ran], Result]]:
        """Command → its effect."""
        helper: dict[tuple[str, ...], Callable[[Ran], Result]] = {
            ("bash", "-c", volumes._script(f"{name}.sh")): self._reliable(name, effect)
            for name, effect in {
                "measure": self._measure,
                "save": self._save,
                "restore": self._restore,
                "drop": self._drop,
            }.items()
        }
        return {
            **helper,
            ("curl",): self._curl,
            ("bash", "-c", proof._QUEUED): self._list_queue,
            ("postcat", "-hbq"): lambda ran: Result(0, self._queue[ran.argv[2]][2]),
            ("postsuper", "-d"): lambda ran: Result(0 if self._queue.pop(ran.argv[2], None) else 1),
        }

    # --- the helper ----------------------------------------------------------------------------------------
    def _reliable(self, name: str, effect: Callable[[Ran], Result]) -> Callable[[Ran], Result]:
        def run(ran: Ran) -> Result:
            running = [box.spec.service for box in self._engine.boxes.values() if box.status == "running"]
            assert name in ("measure", "drop") or not any(running), f"{name} while {running} run"
            if self.refused.get(name, 0):
                self.refused[name] -= 1
                return Result(1, b"", b"cp: cannot create hard link: No space left on device")
            return effect(ran)

        return run

    def _measure(self, ran: Ran) -> Result:
        return Result(0, "{} {} {} {}\n".format(5_000_000, 1_200, *self.room).encode())

    def _disks(self) -> list[str]:
        return [f"{self._engine.project}-mail-{kind}" for kind in ("data", "config", "dkim")]

    def _save(self, ran: Ran) -> Result:
        self.copies = {ran.argv[4]: {name: dict(self._engine.disks[name].files) for name in self._disks()}}
        return Result(0)

    def _restore(self, ran: Ran) -> Result:
        copy = self.copies.pop(ran.argv[4], None)
        for name, files in (copy or {}).items():
            self._engine.disks[name].files = dict(files)
        self._queue.clear()  # it is in the volume, too
        return Result(0, b"restored\n" if copy else b"nothing\n")

    def _drop(self, ran: Ran) -> Result:
        self.copies.clear()
        return Result(0)

    # --- mail ------------------------------------------------------------------------------------------------
    def _fault(self, service: str) -> str:
        return self.broken.get(self._engine.boxes[f"{self._engine.project}-{service}"].image_id, "")

    def _curl(self, ran: Ran) -> Result:
        options = dict(zip(ran.argv[1::2], ran.argv[2::2], strict=False))
        config = self._engine.boxes[ran.name].files[options["--config"]].data.decode()
        login = re.search(r'user = "(.*?):(.*)"', config)
        address = login[1] if login else ""
        if login and not self._may_enter(address, login[2]):
            return Result(67, b"", b"curl: (67) Login denied")
        if options["--url"].startswith("imaps:"):
            return self._search(address, options.get("--request", ""))
        return self._send(ran, address)

    def _may_enter(self, address: str, password: str) -> bool:
        fault = self._fault("dovecot")
        hashed = self._engine.users().get(address, "")
        return fault == "anybody" or (fault != "login" and passwords.verify(hashed, password))

    def _search(self, address: str, request: str) -> Result:
        token = request.rpartition(" ")[2].encode()
        found = [str(n) for n, mail in enumerate(self.inbox.get(address, ()), 1) if token and token in mail]
        return Result(0, f"* SEARCH {' '.join(found)}\r\n".encode())

    def _send(self, ran: Ran, login: str) -> Result:
        url = next(word for word in ran.argv if word.startswith("smtp:"))
        argument: Any = lambda name: ran.argv[ran.argv.index(name) + 1]  # noqa: E731
        recipient, fault = argument("--mail-rcpt"), {self._fault("postfix"), self._fault("rspamd")}
        data = self._engine.boxes[ran.name].files[argument("--upload-file")].data
        if (url.endswith(":587") and "submission" in fault) or (url.endswith(":25") and "incoming" in fault):
            return Result(55, b"", b"curl: (55) MAIL failed: 451")
        if recipient == candidates.OUTSIDE:
            signature = b"" if "signature" in fault else self._signature(login, data)
            self._queue[f"Q{len(self._queue)}"] = (login, recipient, signature + data)
        elif "delivery" not in fault:
            assert recipient in self._engine.accepted()
            self.inbox.setdefault(recipient, []).append(data)
        return Result(0)

    def _signature(self, login: str, data: bytes) -> bytes:
        domain = login.rpartition("@")[2]
        key = self._engine.keys[f"keys/{domain}.quazzar"].data.decode()
        lines = "\n".join(textwrap.wrap(key, 64))
        pem = f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n"
        assert message_from_bytes(data)["From"] == login
        return bytes(dkim.sign(data, b"quazzar", domain.encode(), pem.encode()))

    def _list_queue(self, ran: Ran) -> Result:
        lines = [
            json.dumps(
                {
                    "queue_name": "deferred",
                    "queue_id": name,
                    "arrival_time": 1_700_000_000,
                    "message_size": len(mail),
                    "sender": sender,
                    "recipients": [{"address": recipient, "delay_reason": "deferred transport"}],
                }
            )
            for name, (sender, recipient, mail) in self._queue.items()
        ]
        return Result(0, "".join(f"{line}\n" for line in lines).encode())
