"""What the three containers are made of. Pure: the engine and the Compose export both read it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from mailboxes.stack.blueprint import environment

PROJECT_LABEL = "quazzar.project"
SERVICE_LABEL = "quazzar.service"
#: On a container: the digest of the ServiceSpec that it was made from.
SPEC_LABEL = "quazzar.spec"
#: Of every container.
RESTART_POLICY = "unless-stopped"
LOG_DRIVER = "json-file"
LOG_OPTIONS: Mapping[str, str] = {"max-size": "10m", "max-file": "3"}

#: Linux takes no longer host name for a container.
_LONGEST_HOSTNAME = 63
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Mount:
    """A named volume and where the container sees it."""

    volume: str
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Port:
    """A published TCP port.

    Attributes:
        bind: address of the host; empty: all of them.
    """

    container: int
    host: int
    bind: str = ""


@dataclass(frozen=True)
class Healthcheck:
    """A command that ends with 0 while the service answers. Times are seconds."""

    test: tuple[str, ...]
    interval: int
    timeout: int
    start_period: int
    retries: int


@dataclass(frozen=True)
class ServiceSpec:
    """A container.

    Attributes:
        command: None: the image's own.
        stop_grace: seconds between TERM and KILL.
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
    labels: tuple[tuple[str, str], ...]
    stop_grace: int

    @property
    def digest(self) -> str:
        """Differs as soon as anything differs; a container carries that of its own specification."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class StackSpec:
    """All of it: the containers, their network and their volumes."""

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
        for each in self.services:
            if each.service == name:
                return each
        raise KeyError(name)


@dataclass(frozen=True)
class Options:
    """What the operator chose.

    Attributes:
        bind: host address to publish on; empty: all of them.
        port_offset: added to every published port.
        images: service → image.
    """

    project: str
    hostname: str
    bind: str
    port_offset: int
    images: Mapping[str, str]


def build(options: Options) -> StackSpec:
    """The specification of the stack."""
    project = options.project
    return StackSpec(
        project=project,
        hostname=options.hostname,
        network=project,
        volumes=(f"{project}-mail-config", f"{project}-mail-data", f"{project}-mail-dkim"),
        labels=((PROJECT_LABEL, project),),
        # The order of starting: Postfix last, so that what it asks is there.
        services=(_dovecot(options), _rspamd(options), _postfix(options)),
    )


def _postfix(options: Options) -> ServiceSpec:
    config = f"{options.project}-mail-config"
    return _service(
        options,
        "postfix",
        environment=environment.postfix(options.hostname),
        mounts=(
            Mount(config, "/mail-config"),
            # The init script lies in the volume's root; images differ in where they look for it.
            Mount(config, "/docker-init.d", read_only=True),
            Mount(config, "/docker-init.db", read_only=True),
            Mount(f"{options.project}-mail-data", "/mail-data"),
            Mount(f"{options.project}-mail-dkim", "/etc/opendkim/keys"),
        ),
        ports=_ports(options, 25, 587, 465),
        healthcheck=Healthcheck(("CMD", "/scripts/healthcheck.sh"), 10, 5, 60, 3),
        stop_grace=20,
    )


def _dovecot(options: Options) -> ServiceSpec:
    return _service(
        options,
        "dovecot",
        mounts=(
            Mount(f"{options.project}-mail-config", "/etc/dovecot"),
            Mount(f"{options.project}-mail-data", "/srv/vmail"),
        ),
        ports=_ports(options, 143, 993),
        healthcheck=_speaks(143, "", "'* OK'*", interval=15),
    )


def _rspamd(options: Options) -> ServiceSpec:
    # Its web interface is for this machine alone, wherever the rest is published.
    return _service(
        options,
        "rspamd",
        mounts=(Mount(f"{options.project}-mail-config", "/mail-config", read_only=True),),
        ports=(Port(11334, 11334 + options.port_offset, _LOOPBACK),),
        command=("/usr/bin/rspamd", "-f", "--var", "LOCAL_CONFDIR=/mail-config/rspamd"),
        healthcheck=_speaks(11334, r"GET /ping HTTP/1.0\r\n\r\n", "'HTTP/'*' 200 '*", interval=10),
    )


def _ports(options: Options, *numbers: int) -> tuple[Port, ...]:
    return tuple(Port(number, number + options.port_offset, options.bind) for number in numbers)


def _service(
    options: Options,
    service: str,
    *,
    environment: tuple[tuple[str, str], ...] = (),
    mounts: tuple[Mount, ...],
    ports: tuple[Port, ...],
    command: tuple[str, ...] | None = None,
    healthcheck: Healthcheck,
    stop_grace: int = 10,
) -> ServiceSpec:
    return ServiceSpec(
        service=service,
        name=f"{options.project}-{service}",
        image=options.images[service],
        hostname=options.hostname if len(options.hostname) <= _LONGEST_HOSTNAME else service,
        network=options.project,
        aliases=(service,),
        environment=environment,
        mounts=mounts,
        ports=ports,
        command=command,
        healthcheck=healthcheck,
        labels=((PROJECT_LABEL, options.project), (SERVICE_LABEL, service)),
        stop_grace=stop_grace,
    )


def _speaks(port: int, request: str, answer: str, *, interval: int) -> Healthcheck:
    """Healthy when the port answers in its protocol: an open port alone proves no service."""
    script = (
        f"exec 3<>/dev/tcp/127.0.0.1/{port} && printf '{request}' >&3"
        f" && read -r -t 3 line <&3 && [[ $line == {answer} ]]"
    )
    return Healthcheck(("CMD", "bash", "-c", script), interval, 5, 60, 3)
