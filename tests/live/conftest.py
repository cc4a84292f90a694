"""One running product with an enabled stack, shared by the tests that leave it as they found it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.mailstack import MailStack, enabled
from tests.rig.daemon import project

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from tests.rig.daemon import Daemon
    from tests.rig.images import Images


@pytest.fixture(scope="session")
def mailstack(
    docker_daemon: Daemon,
    docker_client: docker.DockerClient,
    stack_images: Images,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[MailStack]:
    """Enabled once for all; no test may stop its containers or disable it."""
    with project(docker_daemon) as name:
        directory = tmp_path_factory.mktemp("mailstack")
        with enabled(directory, docker_client, stack_images, name) as stack:
            yield stack
