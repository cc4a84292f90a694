"""A small Internet on one Docker Engine: a real name server, stacks of ours, and other people's mail servers.

Each mail server has a public address (RFC 5737). The network of the Engine leads its port 25 to where the server is
published, as a router with port forwarding does, so MX records work as they do outside. Who asks for it is also seen by
others with that address (``show``), not with one of the Engine's. Nothing leaves the machine.
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
from tests.rig.standins import address, logs, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import docker
    from docker.models.containers import Container

    from tests.rig.images import Images

PROJECT = "qz-internet"
#: Where the Engine answers in its own network, which nothing but this machine reaches.
_API = 2375
_MAIL = ("-p", "tcp", "--dport", "25")


class Internet(PrivateEngine):
    """Use as a context.

    Attributes:
        nameserver: answers containers and consoles; it has the root zone.
    """

    nameserver: Nameserver

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count(1)
        self._records: dict[str, Sequence[str]] = {}
        self.addresses: dict[str, str] = {}

    @property
    def elsewhere(self) -> str:
        """DOCKER_HOST for consoles: its Engine is on another machine, which says where the stacks' ports are."""
        return f"tcp://{self.address}:{_API}"

    def _options(self) -> list[str]:
        return [*super()._options(), f"--host={self.elsewhere}", "--tls=false"]

    def _name_server(self, gateway: str) -> Nameserver:
        self.nameserver = Nameserver(host=gateway, port=53)
        return self.nameserver

    # --- names
    def publish(self, records: Mapping[str, Sequence[str]]) -> None:
        """Replace records: `example.test TXT` → its values; none removes it."""
        self._records |= records
        lines = [f"{name}. {type_} {value}" for name, type_, value in self._lines()]
        self.nameserver.publish(".", lines)

    def _lines(self) -> Iterator[tuple[str, str, str]]:
        for key, values in self._records.items():
            name, _, type_ = key.rpartition(" ")
            yield from ((name, type_, value) for value in values)

    @contextlib.contextmanager
    def changed(self, records: Mapping[str, Sequence[str]]) -> Iterator[None]:
        """The same for the length of a `with`."""
        before = {key: self._records.get(key, ()) for key in records}
        self.publish(records)
        try:
            yield
        finally:
            self.publish(before)

    # --- places
    def place(self, port: int, host: str, *domains: str) -> None:
        """Gives a mail server a public address, its names, and the mail of these domains.

        Args:
            port: where this Engine publishes its port 25.
        """
        public = self._new_address(host, *domains)
        self._rule("nat", "PREROUTING", "-d", public, *_MAIL, "-j", "REDIRECT", "--to-ports", f"{port}")

    def place_shut(self, host: str, *domains: str) -> None:
        """A mail server that nobody reaches: a firewall refuses its port 25."""
        public = self._new_address(host, *domains)
        self._rule(
            "filter", "DOCKER-USER", "-d", public, *_MAIL, "-j", "REJECT", "--reject-with", "tcp-reset"
        )

    def show(self, host: str, container: Container) -> None:
        """From now on others see this server by its public address, and it sees theirs. It must not be made anew."""
        public, inside = self.addresses[host], address(container)
        self._rule("nat", "PREROUTING", "-d", public, *_MAIL, "-j", "DNAT", "--to-destination", inside)
        self._rule("nat", "POSTROUTING", "-s", inside, *_MAIL, "-j", "SNAT", "--to-source", public)
        # Docker keeps its networks apart.
        self._rule("filter", "DOCKER-USER", "-d", inside, *_MAIL, "-j", "ACCEPT")
        self._rule("filter", "DOCKER-USER", "-s", inside, "-p", "tcp", "--sport", "25", "-j", "ACCEPT")

    def _new_address(self, host: str, *domains: str) -> str:
        public = self.addresses[host] = f"198.51.100.{next(self._numbers)}"
        records = {f"{host} A": [public], f"{reverse(public)}.in-addr.arpa PTR": [f"{host}."]}
        for domain in domains:
            records |= {f"{domain} MX": [f"10 {host}."], f"{domain} TXT": [f'"v=spf1 a:{host} -all"']}
        self.publish(records)
        return public

    def _rule(self, table: str, chain: str, *words: str) -> None:
        """A rule in front of the others."""
        command = [*self._front(), self._programs["iptables"], "-w", "-t", table, "-I", chain, *words]
        subprocess.run(command, check=True, capture_output=True)

    def close(self) -> None:
        try:
            super().close()
        finally:
            if hasattr(self, "nameserver"):
                self.nameserver.close()


def reverse(address_: str) -> str:
    """The labels of an address the other way round, as zones of addresses have them."""
    return ".".join(reversed(address_.split(".")))


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
        "DOCKER_HOST": internet.elsewhere,
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

    def configure(self, *settings: str) -> None:
        """Change settings of Postfix, and have it read them."""
        for argv in (["postconf", "-e", *settings], ["postfix", "reload"]):
            code, text = said(self.container, *argv)
            assert code == 0, text

    def wait_said(self, *words: str, seconds: float = 120) -> None:
        """Wait until one line of its log has all these words."""

        def said() -> bool:
            return any(all(word in line for word in words) for line in logs(self.container).splitlines())

        try:
            wait_until(said, seconds, f"a line with {words}")
        except NotReady as exc:
            raise NotReady(f"{exc}\n{logs(self.container)[-6000:]}") from exc
