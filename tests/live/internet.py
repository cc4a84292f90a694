"""A small Internet on one Docker Engine: a real name server, stacks of ours, and other people's mail servers.

Each mail server has a public address (RFC 5737). The network of the Engine leads its port 25 to where the server is
published, as a router with port forwarding does, so MX records work as they do outside. Nothing leaves the machine.
"""

from __future__ import annotations

import contextlib
import itertools
import subprocess
from typing import TYPE_CHECKING, Any

from tests.live.mailstack import MailStack
from tests.rig import NotReady, wait_until
from tests.rig.daemon import PrivateEngine, remove_project
from tests.rig.nameserver import Nameserver
from tests.rig.standins import logs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker
    from docker.models.containers import Container

    from tests.rig.images import Images

PROJECT = "qz-internet"


class Internet(PrivateEngine):
    """Use as a context.

    Attributes:
        nameserver: answers containers and consoles; it has the root zone.
    """

    nameserver: Nameserver

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(1)
        self._records: list[str] = []

    def _name_server(self, gateway: str) -> Nameserver:
        self.nameserver = Nameserver(host=gateway, port=53)
        return self.nameserver

    def place(self, port: int, host: str, *domains: str) -> None:
        """Gives a mail server a public address, its names, and the mail of these domains.

        Args:
            port: where this Engine publishes its port 25.
        """
        address = f"198.51.100.{next(self._numbers)}"
        lead = ("-t", "nat", "-I", "PREROUTING", "-d", address, "-p", "tcp", "--dport", "25")
        command = [
            *self._front(),
            self._programs["iptables"],
            *lead,
            "-j",
            "REDIRECT",
            "--to-ports",
            f"{port}",
        ]
        subprocess.run(command, check=True, capture_output=True)
        reverse = ".".join(reversed(address.split(".")))
        self._records += [f"{host}. A {address}", f"{reverse}.in-addr.arpa. PTR {host}."]
        for domain in domains:
            self._records += [f"{domain}. MX 10 {host}.", f'{domain}. TXT "v=spf1 a:{host} -all"']
        self.nameserver.publish(".", self._records)

    def close(self) -> None:
        try:
            super().close()
        finally:
            if hasattr(self, "nameserver"):
                self.nameserver.close()


@contextlib.contextmanager
def stack(
    internet: Internet,
    directory: Path,
    images: Images,
    name: str,
    *,
    beside: MailStack | None = None,
    **env: Any,
) -> Iterator[MailStack]:
    """A console, and a healthy stack with the mail of NAME.test and the host name mail.NAME.test."""
    settings: dict[str, Any] = {
        "DOCKER_HOST": internet.url,
        "QUAZZAR_STACK_BIND": "",
        "QUAZZAR_DNS_RESOLVERS": internet.nameserver.address,
        **env,
    }
    with contextlib.closing(internet.client()) as client:
        project = f"{PROJECT}-{name}"
        remove_project(client, project)
        made = MailStack(
            directory, client, images, project, address=internet.address, beside=beside, **settings
        )
        try:
            with made:
                internet.place(made.server.port(25), f"mail.{name}.test", f"{name}.test")
                made.enable(f"mail.{name}.test")
                yield made
        finally:
            remove_project(client, project)


class Abroad:
    """Somebody else's mail server; use as a context."""

    def __init__(
        self, internet: Internet, client: docker.DockerClient, image: str, port: int, host: str, *domains: str
    ) -> None:
        self._internet, self._client, self._image = internet, client, image
        self._port, self._host, self._domains = port, host, domains

    def __enter__(self) -> Abroad:
        name = f"{PROJECT}-{self._host.replace('.', '-')}"
        remove_project(self._client, name)
        self.container: Container = self._client.containers.create(
            self._image, name=name, hostname=self._host, ports={"25/tcp": self._port}
        )
        self.container.start()
        self._internet.place(self._port, self._host, *self._domains)
        return self

    def __exit__(self, *exc: object) -> None:
        self.container.remove(v=True, force=True)

    def wait_said(self, *words: str, seconds: float = 120) -> None:
        """Wait until one line of its log has all these words."""

        def said() -> bool:
            return any(all(word in line for word in words) for line in logs(self.container).splitlines())

        try:
            wait_until(said, seconds, f"a line with {words}")
        except NotReady as exc:
            raise NotReady(f"{exc}\n{logs(self.container)[-6000:]}") from exc
