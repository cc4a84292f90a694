"""requirements.txt is enough to run: what only the development set brings is not there on a node."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.quazzar.nodes import ROOT

# Run before everything else: an import of anything that is not pinned fails, as it would on a node.
BLOCK = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {absent!r}:
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)
sys.meta_path.insert(0, Absent())
"""
EVERYTHING = """
import django
django.setup()
import kombu.transport.redis, waitress
import quazzar.urls, quazzar.wsgi, quazzar.processes.worker, quazzar.processes.beat, quazzar.processes.web
from quazzar.celery import app
from django.core.management import get_commands, load_command_class
app.loader.import_default_modules()
app.Worker(pool_cls='threads', concurrency=1)
for name, package in get_commands().items():
    if package in ('quazzar', 'mailrelay', 'django.core'):
        load_command_class(package, name)
"""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> set[str]:
    names = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    return {normal(name) for name in names}


def run(code: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "quazzar.settings",
        "QUAZZAR_DATA_DIR": str(tmp_path),
        "CELERY_SKIP_CHECKS": "1",
    }
    argv = [sys.executable, "-c", code]
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_product_runs_on_what_requirements_txt_pins(tmp_path: Path) -> None:
    needed = pinned()
    owners = packages_distributions().items()
    absent = {module for module, names in owners if not needed & {normal(name) for name in names}}
    assert {"pytest", "post_office"} <= absent
    done = run(BLOCK.format(absent=absent) + EVERYTHING, tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_block_works(tmp_path: Path) -> None:
    done = run(BLOCK.format(absent={"pytest"}) + "import pytest", tmp_path)
    assert "No module named 'pytest'" in done.stderr
