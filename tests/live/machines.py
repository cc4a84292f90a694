"""Several machines on one PostgreSQL and one Valkey: each is a supervisor with a host name, a data dir and a key file
of its own."""

from __future__ import annotations

import copy
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Self

from tests.live.console import Console
from tests.quazzar.nodes import Node, wait_until
from tests.rig import free_port, or_skip
from tests.rig.services import Valkey


@contextmanager
def broker_over_tcp() -> Iterator[str]:
    """A Valkey that is reached over TCP, as one on another machine would be; its URL."""
    with or_skip(Valkey) as server:
        port = free_port()
        with closing(socket.socket(socket.AF_UNIX)) as control:
            control.connect(str(server.socket))
            control.sendall(f"CONFIG SET bind 127.0.0.1\r\nCONFIG SET port {port}\r\n".encode())
            wait_until(lambda: _accepts(port), "Valkey's port")
        yield f"redis://127.0.0.1:{port}/0"


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Machine:
    """A machine that runs one part; it has copies of the first machine's key, licence and SECRET_KEY."""

    def __init__(self, first: Console, name: str, role: str, **env: str) -> None:
        self.name, self.role = name, role
        data = first.data.parent / name
        data.mkdir(mode=0o700)
        for file in ("license.jwt", "evaluation.key", "django-secret.key"):
            shutil.copy2(first.data / file, data / file)
        shutil.copytree(first.data / "static", data / "static")
        self.key_file = data / "secrets.key"
        shutil.copy2(first.key_file, self.key_file)
        own = {"QUAZZAR_DATA_DIR": str(data), "QUAZZAR_SECRETS_KEY_FILE": str(self.key_file)}
        self.console = copy.copy(first)
        self.console.env = {**first.env, **own, **env}
        self.console.data, self.console.key_file, self.console.port = data, self.key_file, free_port()
        self.nodes: list[Node] = []

    def start(self) -> None:
        """Starts it; `wait` for it afterwards."""
        up = f"manage.py up --only {self.role} --port {self.console.port}"
        start = f"hostname {self.name}.test && exec {sys.executable} {up}"
        self.console.node = Node(["unshare", "--uts", "sh", "-c", start], self.console.env)
        self.nodes.append(self.console.node)

    def wait(self) -> None:
        """Until it works."""
        if self.role == "web":
            wait_until(self.is_alive, f"{self.name} answers", 120)
        else:
            self.console.node.says(f"{self.role:<7} | » started")

    def is_alive(self) -> bool:
        """Whether its web server answers."""
        try:
            return self.console.get("/healthz")[0] == 200
        except OSError:
            return False

    def restart(self) -> None:
        """SIGTERM, and again, as in an upgrade."""
        assert self.console.node.stop(signal.SIGTERM) == 0, self.text[-4000:]
        self.start()
        self.wait()

    def kill_part(self) -> None:
        """SIGKILL for the part itself; its supervisor starts another."""
        os.kill(self.console.node.pids(self.role)[-1], signal.SIGKILL)

    @property
    def text(self) -> str:
        """Everything that it has said."""
        return "\n".join(node.text for node in self.nodes)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.console.node.__exit__(*error)
