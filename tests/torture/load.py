"""People and programs that hand in mail while things break: API clients, sendmail, cron."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.quazzar.nodes import ROOT
from tests.torture.checks import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.live.console import Console
    from tests.torture.ledger import Ledger

#: How long a client that wants an answer tries again, in seconds.
STUBBORN = 120.0
_NO_ANSWER = (OSError, http.client.HTTPException, json.JSONDecodeError)


class Load:
    """The traffic of one round; use `start`, and `finish` once the world is healed.

    Args:
        secret: a line for every body, which must appear nowhere in clear.
    """

    def __init__(
        self, name: str, chance: random.Random, ledger: Ledger, webs: Sequence[Console], secret: str,
        environ: Mapping[str, str],
    ) -> None:  # fmt: skip
        self._name, self._chance, self._ledger, self._webs, self._secret = name, chance, ledger, webs, secret
        self._environ = {**os.environ, **environ}
        self._programs: list[subprocess.Popen[bytes]] = []
        # Seeds are drawn here, so that threads do not change what the round's other choices are.
        works = [self._post, self._post, self._insist, self._sendmail]
        self._threads = [
            threading.Thread(target=work, args=(f"{name}-{number}", random.Random(chance.random())), daemon=True)
            for number, work in enumerate(works)
        ]  # fmt: skip

    def start(self) -> None:
        """Begin to hand in mail."""
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Wait until everybody has an answer, or gave up."""
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a client hangs"

    def kill_program(self) -> None:
        """kill -9 of a sendmail that runs."""
        for program in self._programs:
            if program.poll() is None:
                program.send_signal(signal.SIGKILL)

    # --- the API -------------------------------------------------------------------------------------------
    def _body(self, token: str) -> dict[str, object]:
        return {"to": [f"{token}@inbox.test"], "subject": token, "text": self._secret}

    def _post(self, name: str, chance: random.Random) -> None:
        """Clients that try once."""
        for number in range(chance.randint(3, 12)):
            token = f"torture-{name}-{number}"
            try:
                status, answer = chance.choice(self._webs).call(
                    "POST", "/api/mail/messages", self._body(token)
                )
            except _NO_ANSWER:
                self._ledger.lose_answer(token, "api")
            else:
                self._settle(token, "api", status == 202, str(answer))
            time.sleep(chance.uniform(0, 0.15))

    def _insist(self, name: str, chance: random.Random) -> None:
        """A client that repeats, with an idempotency key, whatever has no good answer."""
        for number in range(chance.randint(3, 8)):
            token, deadline = f"torture-{name}-{number}", time.monotonic() + STUBBORN
            self._ledger.lose_answer(token, "api, repeated")
            while time.monotonic() < deadline:
                try:
                    web = chance.choice(self._webs)
                    status, _ = web.call(
                        "POST", "/api/mail/messages", self._body(token), **{"Idempotency-Key": token}
                    )
                except _NO_ANSWER:
                    status = 0
                if status == 202:
                    self._ledger.accept(token, "api, repeated")
                    break
                time.sleep(0.3)
            time.sleep(chance.uniform(0, 0.2))

    def _settle(self, token: str, way: str, taken: bool, said: str) -> None:
        if taken:
            self._ledger.accept(token, way)
        else:
            self._ledger.refuse(token, said)

    # --- programs ------------------------------------------------------------------------------------------
    def _sendmail(self, name: str, chance: random.Random) -> None:
        """bin/quazzar-sendmail, as programs call it."""
        for number in range(chance.randint(1, 2)):
            token = f"torture-{name}-{number}"
            mail = f"From: root\nTo: {token}@inbox.test\nSubject: {token}\n\n{self._secret}\n"
            with subprocess.Popen(
                [str(ROOT / "bin" / "quazzar-sendmail"), "-t", "-i"], env=self._environ,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            ) as program:  # fmt: skip
                self._programs.append(program)
                said, _ = program.communicate(mail.encode())
            if program.returncode < 0:
                self._ledger.lose_answer(token, "sendmail")
            else:
                self._settle(
                    token, "sendmail", program.returncode == 0, f"{program.returncode} {said.decode()}"
                )


class Cron:
    """Debian's cron with one job a minute, whose output it mails; use as a context.

    Each call of sendmail is noted in a file: exit code, and the mail's subject.
    """

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self.calls = directory / "cron.calls"
        settings = "".join(f"export {name}='{value}'\n" for name, value in environ.items())
        sendmail = directory / "sendmail"
        sendmail.write_text(
            f"#!/bin/sh\n{settings}mail=$(mktemp {directory}/cron.XXXXXX); cat >$mail\n"
            'token=$(grep -o "torture-cron-[0-9][0-9]*" $mail | head -1)\n'
            'sed -i "s/^Subject:.*/Subject: $token/" $mail\n'
            f'"{ROOT}/bin/quazzar-sendmail" "$@" <$mail; code=$?; rm $mail; echo "$code $token" >>{self.calls}\n'
        )
        sendmail.chmod(0o755)
        (directory / "crontab").write_text("MAILTO=root\n* * * * * root echo torture-cron-$(date +\\%s)\n")
        self._script = (
            "mount -t tmpfs none /run; mount -t tmpfs none /var/spool/cron; mkdir -m 1730 /var/spool/cron/crontabs; "
            "mount -t tmpfs none /etc/cron.d; mount --bind crontab /etc/crontab; "
            "mount --bind sendmail /usr/sbin/sendmail; exec cron -f"
        )
        self._directory = directory
        self._read = 0

    def __enter__(self) -> Cron:
        self._process = subprocess.Popen(
            ["unshare", "-m", "bash", "-ec", self._script], cwd=self._directory, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def account(self, ledger: Ledger) -> None:
        """Enter what was called since the last time."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        for line in lines[self._read :]:
            code, _, token = line.partition(" ")
            if code == "0":
                ledger.accept(token, "cron")
            else:
                ledger.refuse(token, f"cron: {code}")
        self._read = len(lines)
