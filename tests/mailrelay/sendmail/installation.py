"""The product as it is on a node: a data dir, a configured relay, and sendmail linked as a system has it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quazzar.sealing import keyring
from quazzar.sealing.cipher import unseal

ROOT = Path(__file__).resolve().parents[3]
CRON = b"From: root (Cron Daemon)\nTo: root\nSubject: Cron\n\nall good\n"
_SET_UP = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from mailrelay.models import RelaySettings
RelaySettings(pk=1, host="127.0.0.1", port=9, from_address="node@example.org",
              alert_recipients=["ops@example.com"]).save()
"""

Done = subprocess.CompletedProcess[bytes]


@dataclass
class Installation:
    """A data dir, and the script linked as a system has it."""

    data: Path
    link: Path
    env: dict[str, str] = field(default_factory=dict)

    def send(self, *arguments: str, user: int | None = None, **env: str) -> Done:
        """One cron mail, sent from a folder that is not ours."""
        return subprocess.run(
            [str(self.link), *arguments],
            input=CRON,
            capture_output=True,
            env={**self.env, **env},
            cwd=self.link.parent,
            user=user,
            timeout=120,
            check=False,
        )

    def rows(self) -> list[dict[str, Any]]:
        """What is in the queue."""
        with closing(sqlite3.connect(self.data / "quazzar.sqlite3")) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute("SELECT * FROM mailrelay_message ORDER BY id")]

    def written(self, row: dict[str, Any]) -> bytes:
        """The message of a row."""
        ring = keyring.read(self.data / "secrets.key")
        return unseal(row["body"], "mailrelay.message.body", ring)[1:]


def installed(place: Path) -> Installation:
    """Migrated and configured; nothing else runs: no broker, no worker, no provider."""
    data, link = place / "data", place / "sendmail"
    data.mkdir(mode=0o700)
    link.symlink_to(ROOT / "bin" / "quazzar-sendmail")
    env = {
        "PATH": "/usr/bin:/bin",
        "QUAZZAR_DATA_DIR": str(data),
        "QUAZZAR_SECRETS_KEY_FILE": str(data / "secrets.key"),
    }
    settings = {"DJANGO_SETTINGS_MODULE": "quazzar.settings", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", _SET_UP], env={**env, **settings}, check=True, timeout=120)
    return Installation(data, link, env)
