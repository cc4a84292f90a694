"""How containers, their network and their volumes are specified, and the labels that mark them as ours. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

PROJECT_LABEL = "quazzar.project"
SERVICE_LABEL = "quazzar.service"
#: On a container: the digest of the ServiceSpec that it was created from.
SPEC_LABEL = "quazzar.spec"
#: Every container gets this restart policy and this log driver.
RESTART_POLICY = "unless-stopped"
#: For programs with the setuid bit: they start with the caller's rights.
SECURITY_OPTIONS = ("no-new-privileges:true",)
LOG_DRIVER = "json-file"
LOG_OPTIONS: Mapping[str, str] = {"max-size": "10m", "max-file": "3"}


@dataclass(frozen=True)
class Mount:
    """A named volume and the directory in the container where it is mounted."""

    volume: str
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Port:
    """A published TCP port.

    Attributes:
        container: port inside the container.
        host: port on the host.
        bind: IPv4 address of the host to publish on; 0.0.0.0 means all.
    """

    container: int
    host: int
    bind: str


@dataclass(frozen=True)
class Healthcheck:
    """A command that exits with 0 while the service answers. All times are in seconds."""

    test: tuple[str, ...]
    interval: int
    timeout: int
    start_period: int
    retries: int


@dataclass(frozen=True)
class Limits:
    """What a container may use of the machine.

    Attributes:
        processes: threads count, too.
        capabilities: of Linux, see capabilities(7); all others are dropped, and no program can gain any.
    """

    memory_mib: int
    processes: int
    capabilities: tuple[str, ...]


@dataclass(frozen=True)
class ServiceSpec:
    """The specification of one container.

    Attributes:
        service: postfix, dovecot or rspamd.
        name: name of the container.
        aliases: names under which the other containers reach it on the network.
        command: arguments to run; None means the image's own command.
        stop_grace: seconds between SIGTERM and SIGKILL.
        temporary: it is not started again when it ends, but removed.
        pinned: id of the image to create it from, whatever ``image`` names now; empty means what it names.
    """

    service: str
    name: str
    image: str
    hostname: str
    network: str
    aliases: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    mounts: tuple[Mount, ...]
    ports: tuple[Port, ...]
    command: tuple[str, ...] | None
    healthcheck: Healthcheck | None
    limits: Limits
    labels: tuple[tuple[str, str], ...]
    stop_grace: int
    temporary: bool = False
    pinned: str = ""

    @property
    def source(self) -> str:
        """What the Engine creates it from: the id of an image, or its name."""
        return self.pinned or self.image

    @property
    def digest(self) -> str:
        """SHA-256 over every field. Each container carries it as a label, so a changed specification is noticed.

        The pinned id is left out: the Engine says which image a container runs.
        """
        fields = {name: value for name, value in asdict(self).items() if name != "pinned"}
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class StackSpec:
    """The specification of the whole stack: its containers, their network and their volumes."""

    project: str
    hostname: str
    network: str
    volumes: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    services: tuple[ServiceSpec, ...]

    def service(self, name: str) -> ServiceSpec:
        """The service of that name.

        Raises:
            KeyError: there is none.
        """
        for service in self.services:
            if service.service == name:
                return service
        raise KeyError(name)
