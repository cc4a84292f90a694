"""A process that seals, rotates or checks on its own database: ``python -m tests.quazzar.sealingnode VERB``.

The database and the key file come from the environment (see ``Node``).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from quazzar.sealing.cipher import KeyRing

ROOT = Path(__file__).resolve().parents[2]
ROWS, BATCH = 60, 20


class Node:
    """A node in a folder; each verb is a process."""

    def __init__(self, folder: Path, database_url: str = "") -> None:
        self.key_file = folder / "secrets.key"
        self._env = {
            **os.environ,
            "QUAZZAR_DATA_DIR": str(folder),
            "QUAZZAR_SECRETS_KEY_FILE": str(self.key_file),
            "DATABASE_URL": database_url,
        }

    def start(self, *verb: str) -> Process:
        return Process(self._env, verb)

    def run(self, *verb: str) -> str:
        """The output of a verb that must succeed."""
        with self.start(*verb) as process:
            return process.finish()


class Process:
    """A running verb; nothing of it is left at the end of the ``with``."""

    def __init__(self, env: dict[str, str], verb: tuple[str, ...]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.quazzar.sealingnode", *verb],
            env=env,
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            cast("IO[str]", stream).close()

    def next_line(self) -> str:
        return cast("IO[str]", self._process.stdout).readline().strip()

    def go_on(self) -> None:
        cast("IO[str]", self._process.stdin).write("\n")
        cast("IO[str]", self._process.stdin).flush()

    def finish(self) -> str:
        """Close its input and wait for it."""
        output, _ = self._process.communicate(timeout=120)
        assert self._process.returncode == 0, output
        return output

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()


def configure() -> None:
    """The product's database and key file, without its surfaces: a process is up in half the time."""
    import django
    from django.conf import settings

    from quazzar import settings as product

    settings.configure(
        DATABASES=product.DATABASES,
        DEFAULT_AUTO_FIELD=product.DEFAULT_AUTO_FIELD,
        INSTALLED_APPS=[
            "quazzar",
            "mailrelay",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "axes",
        ],
        QUAZZAR_DATA_DIR=product.QUAZZAR_DATA_DIR,
        QUAZZAR_SECRETS_KEY_FILE=product.QUAZZAR_SECRETS_KEY_FILE,
        USE_TZ=True,
    )
    django.setup()


def setup() -> None:
    from django.core.management import call_command

    from mailrelay.models import Message, RelaySettings

    call_command("migrate", verbosity=0, skip_checks=True)
    Message.objects.all().delete()
    Message.objects.bulk_create([Message(message_id=str(n), body=str(n)) for n in range(ROWS)])
    RelaySettings.objects.update_or_create(pk=1, defaults={"password": "0"})


def rotate(step: str = "") -> None:
    """With ``stepwise`` it stops at each step until a line comes in."""
    from quazzar.sealing import columns as sealedcolumns
    from quazzar.sealing import keyring, rotation

    def at(what: str) -> None:
        print(what, flush=True)
        if step:
            sys.stdin.readline()

    def replace(file: Path, ring: KeyRing) -> None:
        at("about to replace the key file")
        original(file, ring)
        at("replaced the key file")

    original = keyring.replace
    keyring.replace = replace
    sealedcolumns.BATCH_ROWS = BATCH
    result = rotation.rotate(at)
    print(
        f"resumed={result.resumed} resealed={result.resealed.total()} kept={result.kept} held={result.held}"
    )


def write() -> None:
    """Insert and update with hardly a pause until the input ends; a line that comes in is answered in between."""
    import select

    from mailrelay.models import Message, RelaySettings

    count = 0
    print("writing", flush=True)
    while True:
        if select.select([sys.stdin], [], [], 0.005)[0]:
            if not sys.stdin.readline():
                break
            print("nothing under way", flush=True)
        count += 1
        Message.objects.create(message_id=f"w{count}", body=f"w{count}")
        RelaySettings.objects.update(password=str(count))
        row = Message.objects.latest("id")
        row.save()  # a blob that was read before goes back
    print(count)


def hold() -> None:
    """Keep a transaction that has written open, until the input ends."""
    from django.db import transaction

    from mailrelay.models import Message

    with transaction.atomic():
        Message.objects.create(message_id="held", body="held")
        print("written, not committed", flush=True)
        sys.stdin.read()


def check() -> None:
    """Everything opens, and is what was written."""
    from mailrelay.models import Message, RelaySettings

    rows = Message.objects.all()
    assert all(row.body and row.body.reveal().decode() == row.message_id for row in rows)
    password = RelaySettings.load().password
    print(f"{len(rows)} {password and password.reveal()}")


def finish() -> None:
    """Rotate, then check."""
    rotate()
    check()


if __name__ == "__main__":
    configure()
    verbs = {"setup": setup, "rotate": rotate, "finish": finish, "write": write, "hold": hold, "check": check}
    verbs[sys.argv[1]](*sys.argv[2:])
