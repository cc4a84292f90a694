"""REDIS_URL: Celery and the cache spell a unix socket differently, and one setting serves both."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.quazzar.nodes import ROOT

SHOW = "from quazzar import settings as s; print(s.CELERY_BROKER_URL, s.CACHES['default']['LOCATION'])"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "celery", "cache"),
    [
        ("redis://:pw@10.0.0.5:6380/2", "redis://:pw@10.0.0.5:6380/2", "redis://:pw@10.0.0.5:6380/2"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock", "unix:///run/redis.sock"),
        ("redis+socket:///run/redis.sock", "redis+socket:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_either_spelling_reaches_celery_and_the_cache(
    tmp_path: Path, url: str, celery: str, cache: str
) -> None:
    env = {**os.environ, "QUAZZAR_DATA_DIR": str(tmp_path), "REDIS_URL": url}
    shown = subprocess.run([sys.executable, "-c", SHOW], env=env, cwd=ROOT, capture_output=True, check=True)
    assert shown.stdout.decode().split() == [celery, cache]
