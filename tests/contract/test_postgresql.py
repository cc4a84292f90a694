"""The contract's tests once more, on a real PostgreSQL: it refuses what SQLite takes, and waits where that does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig import or_skip
from tests.rig.services import Postgres

HERE = Path(__file__).parent
#: What is answered before any row is looked at, or has no rows.
NO_ROWS = ("postgresql", "schema", "fuzzing", "stack_gate", "messages_refused", "relay_test", "presets")
#: Words of tests whose answer is given before any row is written.
NO_WRITES = ("refused", "cannot_be", "gate", "400", "402", "403", "405")
AGAIN = [
    *sorted(set(HERE.glob("test_*.py")) - {HERE / f"test_{name}.py" for name in NO_ROWS}),
    HERE.parent / "mailrelay" / "test_relaysettings.py",
]


def run_tests(database_url: str) -> tuple[int, str]:
    argv = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-k",
        " and ".join(f"not {each}" for each in NO_WRITES),
        *AGAIN,
    ]
    env = {**os.environ, "DATABASE_URL": database_url}
    run = subprocess.run(argv, env=env, cwd=HERE.parents[1], capture_output=True, text=True, check=False)
    return run.returncode, run.stdout


@pytest.mark.real
def test_the_api_does_the_same_on_postgresql() -> None:
    with or_skip(Postgres) as server:
        code, output = run_tests(server.url)
    assert code == 0, output
