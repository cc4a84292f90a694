"""The web process: what it does before it serves."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from quazzar.processes import web
from tests.quazzar.nodes import ROOT
from tests.quazzar.processes.test_up import environment

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_loaded_once_is_spared_the_garbage_collector() -> None:
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    kept: list[list[int]] = [[] for _ in range(1000)]
    web.load()
    assert gc.get_freeze_count() > max(frozen, len(kept))


@pytest.mark.slow
def test_what_nothing_here_uses_is_not_loaded_and_can_be_imported_later(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom quazzar.processes import web\nweb.load()\n"
        "print([name for name in ('psycopg', 'requests') if name in sys.modules])\n"
        "import requests, django.contrib.postgres.fields\n"
    )
    env = {**os.environ, **environment(tmp_path), "DJANGO_SETTINGS_MODULE": "quazzar.settings"}
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
