"""`manage.py up` as an operator runs it: broker, web and worker for real."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from quazzar.management.commands import up
from quazzar.processes import supervisor
from tests.quazzar.nodes import ROOT, Node, alive, descendants, wait_until
from tests.quazzar.processes.test_oddclients import NOTHING, REFUSED, TAKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import Settings


def environment(data_dir: Path) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "quazzar.settings",
        "QUAZZAR_DATA_DIR": str(data_dir),
        "QUAZZAR_SECRETS_KEY_FILE": str(data_dir / "secrets.key"),
        "DATABASE_URL": "",
        "REDIS_URL": "",
    }


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class RunningNode(Node):
    """`manage.py up` on a free port and a data dir of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        argv = [sys.executable, "manage.py", "up", "--port", str(self.port)]
        super().__init__(argv, environment(data_dir))

    def status(self, path: str, form: bytes | None = None, **headers: str) -> int:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", form, sent)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return int(response.status)
        except urllib.error.HTTPError as exc:
            return exc.code
        except OSError:
            return 0

    def heartbeat(self) -> str:
        with closing(sqlite3.connect(self.data_dir / "quazzar.sqlite3")) as database:
            return str(database.execute("SELECT MAX(at) FROM quazzar_heartbeat").fetchone()[0])

    def answers(self, path: str) -> None:
        wait_until(lambda: self.status(path) == 200, f"{path} answers 200\n{self.text}")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with RunningNode(tmp_path_factory.mktemp("node")) as running:
        running.says("console on http://127.0.0.1:")
        yield running


@pytest.mark.real
def test_every_part_is_up(node: RunningNode) -> None:
    assert node.status("/healthz") == 200
    node.answers("/readyz")  # database, broker, key file, and a task that came through beat and worker
    assert all(node.pids(name) for name in ("broker", "web", "worker"))


def told(node: RunningNode, request: bytes) -> tuple[int, dict[str, str]]:
    """Status and body of the answer to a request that no HTTP library would send."""
    with (
        closing(socket.create_connection(("127.0.0.1", node.port), timeout=30)) as sock,
        suppress(BrokenPipeError),
    ):
        sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as answer:
            head, _, body = answer.read().partition(b"\r\n\r\n")
    assert b"application/json" in head, head
    return int(head.split()[1]), json.loads(body)


@pytest.mark.real
def test_what_the_web_server_refuses_is_in_the_shape_of_the_api(node: RunningNode) -> None:
    for request, status, code in [
        (
            b"GET /api/mail/messages?search=" + b"x" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
            414,
            "uri_too_long",
        ),
        (b"GET /api/ HTTP/1.1\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\n", 431, "headers_too_large"),
        (b"GET /api/ HTTP/1.1\r\nno header\r\n\r\n", 400, "bad_request"),
        (b"POST /api/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400, "bad_request"),
        (b"\x16\x03\x01 TLS here\r\n\r\n", 400, "bad_request"),
    ]:
        answer = told(node, request)
        assert (answer[0], answer[1]["error"], *answer[1]) == (status, code, "error", "message"), request[:50]


@pytest.mark.real
def test_a_body_in_chunks_is_read_and_bounded_by_the_real_server(node: RunningNode) -> None:
    make = (
        "from django.contrib.auth.models import User; from quazzar.access import apikeys; "
        "print(apikeys.mint(User.objects.create_superuser('chunks', password='x'), 'chunks')[1]); "
        "from quazzar.plans import licenses; licenses.trial('pro', 30)"
    )
    argv = [sys.executable, "manage.py", "shell", "--no-imports", "-c", make]
    env = {**os.environ, **environment(node.data_dir)}
    key = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, check=True).stdout.split()[-1]
    head = (
        b"POST /api/mail/alerts HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + key + b"\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    parts = [b'{"rule": ', b'"Disk"', b"}"]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    assert told(node, head + chunks + b"0\r\n\r\n") == (202, {"delivery": "logged"})
    large = b"%x\r\n%s\r\n" % (2**18, b"x" * 2**18)
    status, body = told(node, head + large * 5 + b"0\r\n\r\n")
    assert (status, body["error"]) == (413, "too_large")


@pytest.mark.real
def test_a_second_one_on_the_same_data_dir_is_refused(node: RunningNode) -> None:
    with RunningNode(node.data_dir) as second:
        assert second.process.wait(60) == 1
        second.says(f"Quazzar is already running on {node.data_dir} (process {node.process.pid}).")
    assert node.status("/healthz") == 200


@pytest.mark.real
@pytest.mark.parametrize("name", ["web", "worker", "broker"])
def test_a_killed_part_comes_back(node: RunningNode, name: str) -> None:
    before = node.pids(name)
    os.kill(before[-1], signal.SIGKILL)
    wait_until(lambda: len(node.pids(name)) > len(before), f"another {name}")
    node.answers("/readyz")


@pytest.mark.real
def test_work_goes_on_after_the_broker_was_killed(node: RunningNode) -> None:
    os.kill(node.pids("broker")[-1], signal.SIGKILL)
    seen = node.heartbeat()
    wait_until(lambda: node.heartbeat() > seen, f"the worker beats again\n{node.text}")


def _forms(node: RunningNode) -> list[socket.socket]:
    """Connections like those with which strangers block a server: see test_connections.py."""
    opened = []
    for sent in (
        b"G",
        b"GET / HTTP/1.1\r\nX-",
        b"POST /admin/login/ HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
    ) * 200:
        opened.append(socket.create_connection(("127.0.0.1", node.port), timeout=30))
        opened[-1].sendall(sent)
    return opened


@pytest.mark.thorough
@pytest.mark.real
def test_six_hundred_connections_of_a_stranger_keep_nobody_out(node: RunningNode) -> None:
    with ExitStack() as held:
        for connection in _forms(node):
            held.enter_context(connection)
        assert node.status("/healthz") == node.status("/admin/login/") == 200


def _sockets(pid: int) -> int:
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            links.append(str(entry.readlink()))
    return sum(link.startswith("socket:") for link in links)


@pytest.mark.thorough
@pytest.mark.real
def test_clients_that_keep_to_no_rule_keep_nobody_out_and_leave_nothing_behind(node: RunningNode) -> None:
    node.answers("/healthz")
    (web,), said = node.pids("web")[-1:], len(node.lines)
    before = _sockets(web)
    with ExitStack() as held:
        for number, sent in enumerate([*REFUSED, *TAKEN, *NOTHING] * 6):
            client = held.enter_context(socket.create_connection(("127.0.0.1", node.port), timeout=30))
            with suppress(OSError):
                client.sendall(sent)
                if number % 3 == 0:
                    client.shutdown(socket.SHUT_WR)
                elif number % 3 == 1:  # a reset
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.close()
        assert node.status("/healthz") == node.status("/admin/login/") == 200
        # Those that have ended nothing are waited for as long as the server has patience.
        wait_until(lambda: _sockets(web) <= before + 5, "the connections are closed", 300)
    assert node.pids("web")[-1] == web
    assert not [line for line in node.lines[said:] if "Traceback" in line or "uncaptured" in line]


@pytest.mark.thorough
@pytest.mark.real
def test_guessing_in_many_threads_takes_little_memory_and_keeps_nobody_out(node: RunningNode) -> None:
    def guess(number: int) -> int:
        form = f"username=name{number}&password=wrong".encode()
        return node.status("/admin/login/", form, Cookie="csrftoken=" + "a" * 32, X_CSRFToken="a" * 32)

    web = Path(f"/proc/{node.pids('web')[-1]}")
    with ThreadPoolExecutor(16) as pool:
        guesses = [pool.submit(guess, number) for number in range(48)]
        assert node.status("/healthz") == 200
        assert {future.result() for future in guesses} <= {200, 503}
    peak = next(line for line in (web / "status").read_text().splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) < 500 * 1024  # KiB


@pytest.mark.real
def test_all_of_it_is_small(node: RunningNode) -> None:
    node.answers("/readyz")
    family = descendants(node.process.pid) | {node.process.pid}
    sizes = [line for pid in family for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    shared_out = sum(int(line.split()[1]) for line in sizes if line.startswith("Pss:")) / 1024
    assert shared_out < 300, f"{shared_out:.0f} MiB"


# The last with the shared one: it is stopped by it.
@pytest.mark.real
def test_ctrl_c_stops_all_of_it_cleanly(node: RunningNode) -> None:
    node.answers("/readyz")
    family = descendants(node.process.pid)
    assert node.stop(signal.SIGINT) == 0
    assert not any(map(alive, family)), node.text
    assert "is killed" not in node.text
    assert node.status("/healthz") == 0


@pytest.mark.real
def test_nothing_of_it_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    with RunningNode(tmp_path) as node:
        node.says("console on http://127.0.0.1:")
        family = descendants(node.process.pid)
        assert len(family) >= 3  # broker, web, worker
        node.process.kill()
        wait_until(lambda: not any(map(alive, family)), "no orphan", 20)


@pytest.mark.real
def test_a_busy_port_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        argv = [sys.executable, "manage.py", "up", "--port", str(busy.getsockname()[1])]
        env = {**os.environ, **environment(tmp_path)}
        done = subprocess.run(
            argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    assert f"is already taken by python (process {os.getpid()})" in done.stderr.replace("pytest", "python")
    assert "started" not in done.stdout


def test_with_a_redis_url_no_broker_is_started_and_the_url_is_on_no_command_line(
    settings: Settings,
) -> None:
    settings.REDIS_URL = "redis://:hunter2@10.0.0.1/0"
    assert "--broker-socket" not in up.command("127.0.0.1", 8000)
    assert not any("hunter2" in word for word in up.command("127.0.0.1", 8000))
    settings.REDIS_URL = ""
    assert up.command("127.0.0.1", 8000)[-2] == "--broker-socket"


def test_a_part_alone_needs_servers_that_other_machines_reach(settings: Settings) -> None:
    for url in ("", "redis://10.0.0.1/0"):  # the tests' database is SQLite
        settings.REDIS_URL = url
        with pytest.raises(
            CommandError, match="--only is for several machines: set REDIS_URL and DATABASE_URL"
        ):
            call_command("up", "--only", "worker")
    assert up.command("127.0.0.1", 8000, ["web", "beat"])[-3:] == ["--only", "web", "beat"]


def test_parts_have_locks_of_their_own_and_the_whole_has_one() -> None:
    assert supervisor._locks(supervisor.ROLES) == ["up.lock"]
    assert supervisor._locks(["worker", "beat"]) == ["up-beat.lock", "up-worker.lock"]
    assert [spec.name for spec in supervisor.python_specs(-1, ["beat", "worker"])] == ["worker"]
    assert [spec.name for spec in supervisor.python_specs(-1, ["beat"])] == ["beat"]
    (web,) = supervisor.python_specs(7, ["web"])
    assert (web.pass_fds, web.env) == ((7,), {"QUAZZAR_LISTEN_FD": "7"})


def test_the_children_find_the_project_from_any_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/opt/more")
    assert up.environment()["PYTHONPATH"] == f"{ROOT}:/opt/more"
