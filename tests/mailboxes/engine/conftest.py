"""Engines in memory and real, and a container that runs commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailboxes.engine.client import Engine
from tests.mailboxes.engine.forwarding import Forwarder
from tests.mailboxes.engine.worlds import FakeWorld, RealWorld, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from tests.rig.daemon import Daemon
    from tests.rig.images import Images


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.real)])
def world(request: pytest.FixtureRequest) -> World:
    """The same tests for both."""
    made: World = FakeWorld() if request.param == "fake" else request.getfixturevalue("real_world")
    return made


@pytest.fixture
def real_world(
    docker_client: docker.DockerClient, stack_images: Images, stack_project: str
) -> Iterator[RealWorld]:
    with Engine() as engine:
        yield RealWorld(engine, stack_project, stack_images.dovecot, docker_client)


@pytest.fixture(scope="module")
def box(docker_client: docker.DockerClient, stack_images: Images, shared_stack_project: str) -> Iterator[str]:
    """The name of a container that runs, for the commands of a module."""
    with Engine() as engine:
        yield RealWorld(engine, shared_stack_project, stack_images.dovecot, docker_client).running()


@pytest.fixture
def docker_socket(docker_daemon: Daemon) -> str:
    """The path of the real engine's socket."""
    return docker_daemon.url.removeprefix("unix://")


@pytest.fixture
def front(docker_socket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Forwarder]:
    """DOCKER_HOST is a TCP port that can be disturbed."""
    with Forwarder(docker_socket) as forwarder:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{forwarder.port}")
        yield forwarder
