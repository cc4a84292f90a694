"""No process loads code from the directory in which it was started (CWE-427)."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiers import some

ROOT = Path(__file__).resolve().parents[3]
LOADED = 99
#: Every way in which the product is started, as arguments of Python.
STARTS = {
    "command": [str(ROOT / "manage.py"), "check"],
    "web": ["-P", "-c", "from quazzar.processes.web import Web; Web().load()"],
    "worker": [
        "-P",
        "-c",
        "import quazzar.processes.worker as w; from quazzar.celery import app; app.connection()",
    ],
    "beat": ["-P", "-c", "import quazzar.processes.beat; from quazzar.celery import app; app.connection()"],
    "supervisor": ["-P", "-m", "quazzar.processes.supervisor", "--help"],
    "sendmail": ["-P", "-m", "mailrelay.sendmail.program", "-t"],
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every module that anybody might import ends the process."""
    folder = tmp_path_factory.mktemp("hostile")
    installed = importlib.metadata.packages_distributions()
    for name in {
        *sys.stdlib_module_names,
        *installed,
        "quazzar",
        "mailrelay",
        "mailboxes",
        "dnsrecords",
        "local_settings",
    }:
        (folder / f"{name}.py").write_text(f"import os; os.write(2, b'LOADED {name}'); os._exit({LOADED})\n")
    return folder


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("start", some(STARTS, 3))
def test_nothing_is_loaded_from_where_it_was_started(start: str, hostile: Path, tmp_path: Path) -> None:
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "QUAZZAR_DATA_DIR": str(tmp_path),
        "REDIS_URL": "redis://127.0.0.1:1",
    }
    env |= {
        "DJANGO_SETTINGS_MODULE": "quazzar.settings",
        "QUAZZAR_SECRETS_KEY_FILE": str(tmp_path / "secrets.key"),
    }
    argv = [sys.executable, *STARTS[start]]
    done = subprocess.run(
        argv,
        cwd=hostile,
        env=env,
        input=b"To: a@example.com\n\nx\n",
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert b"LOADED" not in done.stderr and done.returncode != LOADED, done.stderr
    assert b"ModuleNotFoundError" not in done.stderr, done.stderr


def test_the_folder_would_be_noticed(hostile: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import redis"], cwd=hostile, capture_output=True, check=False
    )
    assert done.returncode == LOADED
