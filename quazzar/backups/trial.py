"""Restores the rows of a backup for trial, in a process and a folder of its own.

``python -m quazzar.backups.trial FILE`` runs with settings of its own, so neither the node's database nor its key file
can be touched. The passphrase comes on standard input.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from quazzar.backups.failures import BackupError

if TYPE_CHECKING:
    from quazzar.backups.restoring import Restored

_ROOT = Path(__file__).resolve().parents[2]
_THEIRS = ("DATABASE_URL", "DATABASE_URL_FILE", "QUAZZAR_LICENSE_FILE", "SECRET_KEY", "SECRET_KEY_FILE")


def run(path: Path, passphrase: bytes) -> str:
    """Whether the rows of a backup can be restored, and how many there are, as a sentence.

    Raises:
        BackupError: they cannot.
    """
    with tempfile.TemporaryDirectory(prefix="quazzar-verify-") as folder:
        env = {name: value for name, value in os.environ.items() if name not in _THEIRS}
        env |= {
            "DJANGO_SETTINGS_MODULE": "quazzar.settings",
            "PYTHONPATH": str(_ROOT),
            "QUAZZAR_DATA_DIR": folder,
            "QUAZZAR_SECRETS_KEY_FILE": str(Path(folder, "secrets.key")),
        }
        argv = [sys.executable, "-P", "-m", "quazzar.backups.trial", str(path.resolve())]
        done = subprocess.run(argv, env=env, input=passphrase, capture_output=True, check=False)
    if done.returncode:
        raise BackupError(
            "The rows of the backup cannot be restored: "
            f"{done.stderr.decode(errors='replace').strip().rpartition(chr(10))[2]}"
        )
    return done.stdout.decode().strip()


def main() -> None:
    """Run in the separate process."""
    import django

    django.setup()
    from quazzar.backups import restoring

    path, passphrase = Path(sys.argv[1]), sys.stdin.buffer.read()
    sys.stdout.write(
        f"{sentence(restoring.restore_rows(path, passphrase, restoring.about(path, passphrase)))}\n"
    )


def sentence(result: Restored) -> str:
    """The result of restoring the rows. Pure."""
    secrets = (
        "every stored secret opens"
        if not result.unreadable
        else f"{result.unreadable} stored secrets do not open"
    )
    return f"{result.rows:,} rows, and {secrets} with the key file in it."


if __name__ == "__main__":
    main()
