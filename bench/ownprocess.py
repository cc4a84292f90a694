"""Measures in a process of its own, with an empty database."""

import json
import os
import subprocess
import sys
from pathlib import Path


def measured(module: str, directory: Path, url: str, *arguments: str) -> dict[str, float]:
    """What the module, run as a program, prints in its last line.

    Args:
        url: of the database; empty: SQLite in this directory.
    """
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "bench.settings",
        "QUAZZAR_DATA_DIR": str(directory),
        "QUAZZAR_SECRETS_KEY_FILE": str(directory / "secrets.key"),
        "DATABASE_URL": url,
    }
    for command in ("migrate -v0", "collectstatic --noinput -v0", "license trial"):
        argv = [sys.executable, "manage.py", *command.split()]
        subprocess.run(argv, env=env, check=True, stdout=subprocess.DEVNULL)
    argv = [sys.executable, "-m", module, *arguments]
    answer = subprocess.run(argv, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, float] = json.loads(answer.splitlines()[-1])
    return found
