"""The whole product with its mailbox stack on a real Docker Engine, as an operator's node would have it."""

from __future__ import annotations

import contextlib
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.live.console import Console
from tests.quazzar.nodes import wait_until
from tests.rig import PORTS
from tests.rig.daemon import LABEL
from tests.rig.mailclients import Login, Server, imap_login

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker
    from docker.models.containers import Container

    from tests.rig.ca import CertificateAuthority
    from tests.rig.images import Images
    from tests.rig.nameserver import Nameserver

HOSTNAME = "mail.stack.test"
#: All of the stack's ports are then below those from which Linux takes ports for connections, and Rspamd's in the
#: part of this process.
OFFSETS = (PORTS.start - 11_334, PORTS.stop - 11_334)
STACK_PORTS = (25, 587, 465, 143, 993, 11334)
SETTLED = ("healthy", "failed", "degraded")


def free_offset() -> int:
    """An offset with which all of the stack's ports are free."""
    for _ in range(200):
        offset = random.randrange(*OFFSETS)
        if all(_free(offset + port) for port in STACK_PORTS):
            return offset
    raise AssertionError("no free range of ports")


def _free(port: int) -> bool:
    import socket

    with contextlib.closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


class MailStack(Console):
    """Use as a context; the containers themselves belong to the project's fixture.

    Args:
        beside: another stack on the same address.

    Attributes:
        address: where its ports are published.
        nameserver: the one that it asks about DNS, where a test has given it one.
        authority: the one that SSL_CERT_FILE names, where a test has given it one.
    """

    nameserver: Nameserver
    authority: CertificateAuthority

    def __init__(
        self,
        directory: Path,
        client: docker.DockerClient,
        images: Images,
        project: str,
        *,
        static: bool = False,
        address: str = "127.0.0.1",
        beside: MailStack | None = None,
        **env: str,
    ) -> None:
        self.client = client
        self.address = address
        self.project = project
        # No two of the standard ports are beside each other.
        self.offset: int = beside.offset + 1 if beside else free_offset()
        settings = {
            "QUAZZAR_STACK_PROJECT": project,
            "QUAZZAR_STACK_BIND": "127.0.0.1",
            "QUAZZAR_STACK_PORT_OFFSET": str(self.offset),
            "QUAZZAR_IMAGE_POSTFIX": images.postfix,
            "QUAZZAR_IMAGE_DOVECOT": images.dovecot,
            "QUAZZAR_IMAGE_RSPAMD": images.rspamd,
            "QUAZZAR_OUTBOUND_PROBE": "off",
            **env,
        }
        super().__init__(directory, static=static, **settings)

    @property
    def server(self) -> Server:
        """Where its ports are published."""
        return Server(self.offset, self.address)

    # --- the stack -----------------------------------------------------------------------------------------
    def enable(self, hostname: str = HOSTNAME) -> None:
        """Enabled by the API, until it is healthy."""
        self.expect(202, "POST", "/api/mail/stack/enable", {"hostname": hostname})
        self.wait_phase("healthy")

    def disable(self, **body: object) -> None:
        """Disabled by the API, until it is gone."""
        self.expect(202, "POST", "/api/mail/stack/disable", body)
        self.wait_phase("disabled")

    def state(self) -> dict[str, Any]:
        """GET /api/mail/stack."""
        return dict(self.expect(200, "GET", "/api/mail/stack"))

    def wait_phase(self, phase: str, seconds: float = 240) -> None:
        """Wait until the stack is in this phase."""
        try:
            wait_until(lambda: self.state()["phase"] == phase, f"the stack is {phase}", seconds)
        except AssertionError as exc:
            raise AssertionError(f"{exc}: {self.state()}\n{self.node.text[-3000:]}") from exc

    def wait_synced(self, seconds: float = 120) -> None:
        """Wait until every change has arrived in the containers."""
        wait_until(self.synced, "every change has arrived", seconds)

    def synced(self) -> bool:
        """Whether the stack has confirmed everything."""
        generation = self.state()["generation"]
        return bool(generation["desired"] == generation["applied"])

    def container(self, service: str) -> Container:
        """One of the three."""
        return self.client.containers.get(f"{self.project}-{service}")

    def started(self) -> dict[str, str]:
        """Service → StartedAt."""
        return {
            service: str(self.container(service).attrs["State"]["StartedAt"])
            for service in ("postfix", "dovecot", "rspamd")
        }

    def inside(self, service: str, *argv: str) -> str:
        """The output of a command in a container; it must succeed."""
        result = self.container(service).exec_run(list(argv))
        assert result.exit_code == 0 and isinstance(result.output, bytes), result.output
        return result.output.decode(errors="replace")

    def check_parts(self, phase: str) -> None:
        """Exactly the objects of a stack in this phase have the project's label; nothing is left over."""
        only: dict[str, str | list[str] | bool] = {"label": f"{LABEL}={self.project}"}
        is_there = phase == "healthy"
        containers = {container.name for container in self.client.containers.list(all=True, filters=only)}
        services = {f"{self.project}-{service}" for service in ("postfix", "dovecot", "rspamd")}
        assert containers == (services if is_there else set())
        networks = [network.name for network in self.client.networks.list(filters=only)]
        assert networks == [self.project] * is_there
        # By name: one that was restored has no label.
        every = {volume.name for volume in self.client.volumes.list()}
        volumes = {name for name in every if name.startswith(f"{self.project}-")}
        assert volumes == {f"{self.project}-mail-{kind}" for kind in ("config", "data", "dkim", "sockets")}

    # --- what lives in it ----------------------------------------------------------------------------------
    def expect(self, status: int, method: str, path: str, body: object = None) -> Any:
        """The answer of a request that must have this status."""
        found, answer = self.call(method, path, body)
        assert found == status, f"{method} {path}: {found} {answer}"
        return answer

    def add_domain(self, name: str, **fields: object) -> dict[str, Any]:
        """A domain."""
        return dict(self.expect(201, "POST", "/api/mail/domains", {"name": name, **fields}))

    def add_mailbox(
        self, domain: dict[str, Any], local_part: str, password: str = "", **fields: object
    ) -> Box:
        """A mailbox; its password is made up when none is given."""
        password = password or f"pass-{time.time_ns():x}"
        body = {"domain": domain["id"], "local_part": local_part, "password": password, **fields}
        answer = self.expect(201, "POST", "/api/mail/mailboxes", body)
        return Box(self, answer["id"], answer["address"], password)

    def add_alias(self, domain: dict[str, Any], local_part: str, *destinations: str) -> dict[str, Any]:
        """An alias."""
        body = {"domain": domain["id"], "local_part": local_part, "destinations": list(destinations)}
        return dict(self.expect(201, "POST", "/api/mail/aliases", body))


class Box:
    """A mailbox of the stack, with the password that it should have."""

    def __init__(self, stack: MailStack, number: int, address: str, password: str) -> None:
        self.stack = stack
        self.path = f"/api/mail/mailboxes/{number}"
        self.address = address
        self.password = password

    @property
    def login(self) -> Login:
        """User name and password."""
        return Login(self.address, self.password)

    def change(self, **fields: object) -> dict[str, Any]:
        """PATCH; a new password is remembered."""
        answer = self.stack.expect(200, "PATCH", self.path, fields)
        self.password = str(fields.get("password", self.password))
        return dict(answer)

    def delete(self) -> None:
        """DELETE."""
        self.stack.expect(204, "DELETE", self.path)

    def wait_login(self, seconds: float = 20) -> None:
        """Wait until it can log in."""
        wait_until(lambda: imap_login(self.stack.server, self.login), f"{self.address} logs in", seconds)


@contextlib.contextmanager
def enabled(
    directory: Path, client: docker.DockerClient, images: Images, project: str, **env: Any
) -> Iterator[MailStack]:
    """A running product whose stack is healthy."""
    with MailStack(directory, client, images, project, static=False, **env) as stack:
        stack.enable()
        yield stack
