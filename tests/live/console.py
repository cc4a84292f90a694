"""The whole product on a data dir of its own: `manage.py up`, an API key, and requests against it."""

from __future__ import annotations

import http.cookiejar
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from tests.quazzar.nodes import ROOT, Node, alive, wait_until
from tests.rig import free_port

OPERATOR, OPERATOR_PASSWORD = "operator", "open-sesame-42"
#: Long, because other work may have the machine's cores.
PATIENCE = 600.0
_STARTED = re.compile(r"started \(process (\d+)\)")
_MESSAGES = re.compile(r'^quazzar_messages\{status="(\w+)"\} (\S+)$', re.MULTILINE)

#: Some commands in one process: Django takes a second to start.
_FIRST_DAY = """
import sys
import django
from django.core.management import call_command
django.setup()
call_command("migrate", interactive=False, verbosity=0)
call_command("license", "trial")
call_command("createsuperuser", interactive=False)
if "static" in sys.argv:
    call_command("collectstatic", interactive=False, verbosity=0)
else:  # an empty list of them: else doctor finds that they are missing, and the node mails it
    from django.conf import settings
    settings.STATIC_ROOT.mkdir()
    (settings.STATIC_ROOT / "staticfiles.json").write_text('{"version": "1.1", "paths": {}, "hash": ""}')
call_command("createapikey", "live")
"""


def own(subjects: Iterable[object]) -> list[str]:
    """The subjects of a test's own mails, without those in which the node writes about itself."""
    return [str(subject) for subject in subjects if not str(subject).startswith("[Node]")]


class Console:
    """Use as a context; leaving it stops everything that it started.

    Args:
        static: with the style sheets and scripts that a browser asks for.
    """

    def __init__(self, directory: Path, *, static: bool = False, **env: str) -> None:
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
        done = self.run("-c", _FIRST_DAY, *["static"] * static, DJANGO_SUPERUSER_USERNAME=OPERATOR,
                        DJANGO_SUPERUSER_EMAIL="op@example.test",
                        DJANGO_SUPERUSER_PASSWORD=OPERATOR_PASSWORD)  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        self.key = done.stdout.decode().split()[-1]

    # --- the command line ----------------------------------------------------------------------------------
    def manage(self, *args: str, stdin: bytes | None = None, **env: str) -> str:
        """A management command's standard output; it must succeed."""
        done = self.run("manage.py", *args, stdin=stdin, **env)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def run(self, *args: str, stdin: bytes | None = None, **env: str) -> subprocess.CompletedProcess[bytes]:
        """Python with these arguments, in this console's environment."""
        return subprocess.run(
            [sys.executable, *args], cwd=ROOT, input=stdin, capture_output=True,
            env={**os.environ, **self.env, **env}, check=False, timeout=PATIENCE,
        )  # fmt: skip

    # --- life ----------------------------------------------------------------------------------------------
    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.node.__exit__(*error)

    def start(self) -> None:
        """`manage.py up`, until every part answers."""
        self.node = Node([sys.executable, "manage.py", "up", "--port", str(self.port)], self.env)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until every part answers."""
        try:
            wait_until(self.ready, "the console answers /readyz", PATIENCE)
        except AssertionError as exc:
            text = self.node.text
            self.node.__exit__()
            raise AssertionError(f"{exc}\n{text}") from exc

    def ready(self) -> bool:
        """Whether every part answers."""
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def pid(self, name: str) -> int:
        """The newest process of this part (broker, web, worker); 0 when it was not started yet."""
        found = [
            _STARTED.search(line) for line in self.node.lines if line.startswith(name) or f'"{name}"' in line
        ]
        # The last line, not the highest number: the system's numbers begin again.
        return [0, *(int(match[1]) for match in found if match)][-1]

    def worker(self) -> int:
        """The process id of the worker that runs now."""
        return self.pid("worker")

    def kill(self, name: str) -> None:
        """kill -9, as the kernel does when memory runs out; the supervisor starts a new process after a while."""
        victim = self.pid(name)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: not alive(victim), f"the end of {name}")

    def stop(self) -> None:
        """Ctrl-C, until everything has ended."""
        code = self.node.stop(signal.SIGINT)
        assert code == 0, f"exit code {code}\n{self.node.text[-4000:]}"

    # --- requests ------------------------------------------------------------------------------------------
    def get(self, path: str) -> tuple[int, Any]:
        """GET."""
        return self.call("GET", path)

    def call(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        """One request with the API key: status and decoded JSON."""
        data = None if body is None else json.dumps(body).encode()
        status, content = self.exchange(method, path, data, **headers)
        return status, json.loads(content or b"null")

    def exchange(
        self, method: str, path: str, data: bytes | None = None, **headers: str
    ) -> tuple[int, bytes]:
        """One request with the API key: status and the answer's bytes."""
        usual = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(
            self.url(path), method=method, data=data, headers={**usual, **headers}
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.read()

    def url(self, path: str) -> str:
        """Where this console has the path."""
        return f"http://127.0.0.1:{self.port}{path}"

    # --- mail ----------------------------------------------------------------------------------------------
    def use_relay(self, port: int, **fields: object) -> None:
        """Save a relay on this machine."""
        relay = {"provider": "custom", "host": "localhost", "port": port, "security": "none", "password": None,
                 "from_address": "node@provider.test", "alert_recipients": ["ops@inbox.test"],
                 "backup_recipients": ["backups@inbox.test"], "notify_backup_success": True}  # fmt: skip
        status, answer = self.call("PUT", "/api/mail/relay", {**relay, **fields})
        assert status == 200, answer

    def send(self, to: str, **fields: object) -> int:
        """Queue one mail; its id."""
        status, answer = self.call("POST", "/api/mail/messages", {"to": [to], "subject": "mail", **fields})
        assert status == 202, answer
        return int(answer["id"])

    def message(self, number: int) -> dict[str, Any]:
        """One message of the queue."""
        status, answer = self.get(f"/api/mail/messages/{number}")
        assert status == 200, answer
        return dict(answer)

    def statuses(self) -> dict[str, int]:
        """How many messages there are in each status."""
        _, figures = self.exchange("GET", "/metrics")
        return {status: int(float(number)) for status, number in _MESSAGES.findall(figures.decode())}

    def wait_empty(self, seconds: float = PATIENCE) -> None:
        """Wait until no message waits any more."""
        try:
            wait_until(lambda: not self.waiting(), "no message waits any more", seconds)
        except AssertionError as exc:
            raise AssertionError(f"{exc}: {self.statuses()}\n{self.node.text[-4000:]}") from exc

    def waiting(self) -> int:
        """How many messages have not left yet, and still may."""
        found = self.statuses()
        return found["queued"] + found["sending"] + found["retrying"]

    def get_paths(self) -> list[str]:
        """Every GET of the API, from its own description; ``{id}`` becomes one that its list has."""
        _, description = self.get("/api/schema?format=json")
        found = [path for path, verbs in description["paths"].items() if "get" in verbs]
        return [path for each in found if (path := self._with_id(each))]

    def _with_id(self, path: str) -> str:
        """Empty when there is no such object, or no list of them."""
        if "{" not in path:
            return path
        status, answer = self.get(f"{path.partition('/{')[0]}?page_size=1")
        rows = answer["results"] if status == 200 else []
        return re.sub(r"\{\w+\}", str(rows[0]["id"]), path) if rows else ""


class Browser:
    """A signed-in operator, without scripts."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def get(self, path: str) -> tuple[int, bytes]:
        """A page, after its redirects."""
        return self._open(urllib.request.Request(self._console.url(path)))

    def post(self, path: str, **fields: str) -> tuple[int, bytes]:
        """A form, with the token of its cookie."""
        form = urllib.parse.urlencode({"csrfmiddlewaretoken": self.cookie("csrftoken"), **fields}).encode()
        url = self._console.url(path)
        return self._open(urllib.request.Request(url, data=form, headers={"Referer": url}))

    def sign_in(self, name: str, password: str) -> bool:
        """Whether the console let us in."""
        self.get("/admin/login/")
        self.post("/admin/login/", username=name, password=password, next="/admin/")
        return self.cookie("quazzar_session") != ""

    def cookie(self, name: str) -> str:
        """Its value; empty when there is none."""
        return next((cookie.value or "" for cookie in self.cookies if cookie.name == name), "")

    def _open(self, request: urllib.request.Request) -> tuple[int, bytes]:
        try:
            with self._opener.open(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.read()
