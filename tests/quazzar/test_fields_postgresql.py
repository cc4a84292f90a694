"""The sealed field's tests once more, on a real PostgreSQL."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig import or_skip
from tests.rig.services import Postgres

AGAIN = ["fields", "fields_queries", "fields_dumps", "fields_unreadable", "check_seals"]


def run_tests(database_url: str) -> tuple[int, str]:
    files = [Path(__file__).with_name(f"test_{name}.py") for name in AGAIN]
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *files]
    # What only SQLite can show is skipped there, and ran in the outer run.
    env = {**os.environ, "DATABASE_URL": database_url, "QUAZZAR_TEST_REQUIRE_REAL": ""}
    run = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout


@pytest.mark.real
def test_the_field_does_the_same_on_postgresql() -> None:
    with or_skip(Postgres) as server:
        code, output = run_tests(server.url)
    assert code == 0, output
    assert "1 skipped" in output  # what only SQLite can store, so this was none
