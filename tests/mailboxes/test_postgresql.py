"""The domain functions' tests once more, on a real PostgreSQL: there writers meet at row locks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rig import or_skip
from tests.rig.services import Postgres

NAMES = ("changes", "domains", "mailboxes", "aliases", "stacksettings", "importing", "exporting", "retention")
AGAIN = [Path(__file__).with_name(f"test_{name}.py") for name in NAMES]


def run_tests(database_url: str) -> tuple[int, str]:
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *map(str, AGAIN)]
    # What only SQLite can show is skipped there, and ran in the outer run.
    env = {**os.environ, "DATABASE_URL": database_url, "QUAZZAR_TEST_REQUIRE_REAL": ""}
    run = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    return run.returncode, run.stdout


@pytest.mark.real
def test_the_domain_functions_do_the_same_on_postgresql() -> None:
    with or_skip(Postgres) as server:
        code, output = run_tests(server.url)
    assert code == 0, output
