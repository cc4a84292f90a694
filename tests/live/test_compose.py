"""The shipped compose.yaml, from nothing: images are built, and the console answers through the TLS proxy."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.quazzar.nodes import ROOT, wait_until
from tests.rig import free_port, or_skip
from tests.rig.daemon import Daemon, program
from tests.rig.images import BASE, Images

pytestmark = [pytest.mark.real, pytest.mark.thorough]

#: Wheels for the Python of the base image's Debian, whatever runs the tests.
WHEELS = [
    "--no-deps", "--python-version=3.13", "--implementation=cp", "--abi=cp313", "--abi=abi3",
    "--abi=none", "--platform=manylinux_2_28_x86_64", "--platform=manylinux_2_17_x86_64",
    "--platform=manylinux2014_x86_64", "--platform=manylinux1_x86_64", "--platform=any",
]  # fmt: skip
#: What is built. A build reaches the machine's mirror of Debian by the machine's own network.
SERVICES = ("init", "proxy", "database", "broker")
PARTS = {"web": 2, "worker": 3, "beat": 1}


class Composed:
    """The project of a run, and the console that its proxy shows."""

    def __init__(self, context: Path, client: docker.DockerClient, url: str) -> None:
        self.name = f"quazzar-test-{os.getpid()}"
        self.http, self.https = free_port(), free_port()
        self._client, self._context = client, context
        override = {
            "version": "3.8",
            "services": {name: {"build": {"network": "host"}} for name in SERVICES},
        }
        (context / "override.json").write_text(json.dumps(override))
        self._argv = [program("docker-compose", "docker-compose"), "-p", self.name]
        self._argv += ["-f", "compose.yaml", "-f", "override.json"]
        self._env = {
            **os.environ, "DOCKER_HOST": url, "BASE": BASE, "PIP_OPTIONS": "--no-index", "TAG": "test",
            "HTTP_PORT": str(self.http), "HTTPS_PORT": str(self.https), "COMPOSE_HTTP_TIMEOUT": "300",
        }  # fmt: skip
        self._trust = ssl.create_default_context(cafile=str(context / "deploy/secrets/tls.crt"))

    def run(self, *words: str) -> str:
        """What docker-compose prints; it must succeed."""
        done = subprocess.run(
            [*self._argv, *words],
            cwd=self._context,
            env=self._env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def containers(self, part: str) -> list[Any]:
        """Those of a service."""
        labels = [f"com.docker.compose.project={self.name}", f"com.docker.compose.service={part}"]
        return list(self._client.containers.list(all=True, filters={"label": labels}))

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        """GET through the proxy."""
        request = urllib.request.Request(f"https://localhost:{self.https}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, context=self._trust, timeout=30) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as exc:
            with exc:
                return exc.code, exc.read()

    def answers(self) -> bool:
        """Whether the console answers through the proxy."""
        try:
            return self.get("/healthz")[0] == 200
        except OSError:
            return False

    def healthy(self) -> bool:
        """Whether every container is."""
        found = [
            container
            for part in (*PARTS, "proxy", "database", "broker")
            for container in self.containers(part)
        ]
        return all(container.attrs["State"]["Health"]["Status"] == "healthy" for container in found)


@pytest.fixture(scope="module")
def composed(
    tmp_path_factory: pytest.TempPathFactory,
    docker_daemon: Daemon,
    docker_client: docker.DockerClient,
    stack_images: Images,
) -> Iterator[Composed]:
    or_skip(partial(program, "docker-compose", "docker-compose"))
    context = tmp_path_factory.mktemp("compose")
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
                            check=True)  # fmt: skip
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, context / name)
    download = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        *WHEELS,
        "--require-hashes",
        "-r",
        "requirements.txt",
    ]
    subprocess.run([*download, "-d", "deploy/wheels"], cwd=context, check=True)
    # dkimpy is no wheel: this makes one of it.
    setuptools = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "--no-deps",
        "-d",
        "deploy/wheels",
        "setuptools",
    ]
    subprocess.run(setuptools, cwd=context, check=True)
    subprocess.run(["deploy/secrets.sh"], cwd=context, check=True)
    project = Composed(context, docker_client, docker_daemon.url)
    try:
        project.run("build")
        scale = [word for part, number in PARTS.items() for word in ("--scale", f"{part}={number}")]
        project.run("up", "--detach", "--no-build", *scale)
        yield project
    finally:
        project.run("down", "--volumes", "--timeout", "15")


def test_the_console_answers_over_tls_and_every_container_is_healthy(composed: Composed) -> None:
    wait_until(composed.answers, "the console answers through the proxy", 120)
    wait_until(composed.healthy, "every container is healthy", 180)
    assert composed.get("/admin/login/")[0] == 200
    # What only the machines themselves need stays inside.
    assert composed.get("/metrics")[0] == 404
    assert composed.get("/readyz")[0] == 404
    assert "Password" in composed.run("logs", "init")


def test_no_container_runs_as_root_or_may_write_to_its_root(composed: Composed) -> None:
    for part in (*PARTS, "proxy", "database", "broker"):
        for container in composed.containers(part):
            host = container.attrs["HostConfig"]
            assert host["ReadonlyRootfs"], part
            assert host["CapDrop"] == ["ALL"]
            assert container.exec_run("id -u").output.strip() != b"0"
            assert container.exec_run("touch /written").exit_code != 0
            told = json.dumps(container.attrs["Config"])
            assert "redis://:" not in told and "postgresql://" not in told, "a secret in the environment"


def test_a_web_container_that_is_stopped_costs_no_request_and_the_machines_agree(composed: Composed) -> None:
    wait_until(composed.answers, "the console answers through the proxy", 120)
    one, other = composed.containers("web")
    key = composed.run("exec", "-T", "web", "python", "manage.py", "createapikey", "test").split()[-1]
    one.stop(timeout=15)
    for _ in range(20):
        assert composed.get("/api/mail/relay", Authorization=f"Bearer {key}")[0] == 200
    one.start()
    wait_until(lambda: AGREED in doctor(other), "it reports again", 120)


AGREED = "5 machines (2 web, 3 worker), with the same keys and version."


def doctor(container: Any) -> str:
    """What the doctor finds in this container."""
    return str(container.exec_run(["python", "manage.py", "doctor"]).output.decode())
