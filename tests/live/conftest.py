"""One running product with an enabled stack, shared by the tests that leave it as they found it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.live.mailstack import MailStack, enabled
from tests.rig import or_skip
from tests.rig.ca import CertificateAuthority
from tests.rig.daemon import project
from tests.rig.nameserver import Nameserver

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
    """Enabled once for all; no test may stop its containers or disable it. It asks a name server of our own, and
    trusts an authority of our own."""
    with project(docker_daemon) as name, or_skip(Nameserver) as nameserver:
        directory = tmp_path_factory.mktemp("mailstack")
        authority = CertificateAuthority(directory / "authority")
        env = {"QUAZZAR_DNS_RESOLVERS": nameserver.address, "SSL_CERT_FILE": str(authority.ca_file)}
        with enabled(directory, docker_client, stack_images, name, **env) as stack:
            stack.nameserver, stack.authority = nameserver, authority
            yield stack
