"""The whole product on a data dir of its own: `manage.py up`, an API key, and requests against it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.quazzar.nodes import ROOT, Node, wait_until
from tests.rig import free_port


class Console:
    """Use as a context; leaving it stops everything that it started."""

    def __init__(self, directory: Path, **env: str) -> None:
        self.data = directory / "data"
        self.key_file = directory / "secrets.key"
        self.port = free_port()
        self.env = {
            "QUAZZAR_DATA_DIR": str(self.data),
            "QUAZZAR_SECRETS_KEY_FILE": str(self.key_file),
            "DJANGO_SETTINGS_MODULE": "quazzar.settings",
            "REDIS_URL": "",
            "DATABASE_URL": "",
            **env,
        }
        self.manage("migrate", "--noinput")
        self.manage("license", "trial")
        self.manage("createsuperuser", "--noinput", DJANGO_SUPERUSER_USERNAME="operator",
                    DJANGO_SUPERUSER_EMAIL="op@example.test", DJANGO_SUPERUSER_PASSWORD="open-sesame-42")  # fmt: skip
        self.key = self.manage("createapikey", "live").strip()

    def manage(self, *args: str, stdin: bytes | None = None, **env: str) -> str:
        """A management command's standard output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *args], cwd=ROOT, input=stdin, capture_output=True,
            env={**os.environ, **self.env, **env}, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def __enter__(self) -> Self:
        self.node = Node([sys.executable, "manage.py", "up", "--port", str(self.port)], self.env).__enter__()
        wait_until(self.ready, "the console answers /readyz")
        return self

    def __exit__(self, *error: object) -> None:
        self.node.__exit__(*error)

    def ready(self) -> bool:
        """Whether every part answers."""
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def get(self, path: str) -> tuple[int, Any]:
        """GET."""
        return self.call("GET", path)

    def call(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """One request with the API key: status and decoded JSON."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as exc:
            return exc.code, json.loads(exc.read() or b"null")

    def worker(self) -> int:
        """The process id of the worker that runs now."""
        return self.node.pids("worker")[-1]

    def statuses(self) -> dict[str, int]:
        """How many messages there are in each status."""
        found = {}
        for status in ("queued", "sending", "sent", "retrying", "failed"):
            found[status] = self.get(f"/api/mail/messages?status={status}&page_size=1")[1]["count"]
        return found
