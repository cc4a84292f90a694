"""Fixtures of the tests that run the stack: an Engine, its images, and a project that leaves nothing behind."""

import contextlib
from collections.abc import Iterator

import docker
import pytest

from tests.rig import or_skip
from tests.rig.daemon import Daemon, PrivateEngine, project
from tests.rig.images import Images, ensure_images


@pytest.fixture(scope="session")
def docker_daemon() -> Iterator[Daemon]:
    """The Engine of this run; stopped at its end if it is our own."""
    with or_skip(Daemon) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def docker_client(docker_daemon: Daemon) -> Iterator[docker.DockerClient]:
    """A plain client, for what the product has no part in."""
    with contextlib.closing(docker_daemon.client()) as client:
        yield client


@pytest.fixture(scope="session")
def stack_images(docker_client: docker.DockerClient) -> Images:
    """The stand-ins; the first use on a machine builds them, which takes minutes."""
    return or_skip(lambda: ensure_images(docker_client))


@pytest.fixture
def stack_project(docker_daemon: Daemon) -> Iterator[str]:
    """A project name of this test's own; all that bears it is removed after, also when the test failed."""
    with project(docker_daemon) as name:
        yield name


@pytest.fixture(scope="module")
def shared_stack_project(docker_daemon: Daemon) -> Iterator[str]:
    """The same for a whole module."""
    with project(docker_daemon) as name:
        yield name


@pytest.fixture(scope="module")
def private_engine() -> Iterator[PrivateEngine]:
    """An Engine that a test may stop and start without disturbing anybody; it starts without images."""
    with or_skip(PrivateEngine) as engine:
        yield engine
