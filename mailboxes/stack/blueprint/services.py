"""The three services of the stack: their ports, volumes, health checks and settings, as one specification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from mailboxes.engine.spec import (
    PROJECT_LABEL,
    SERVICE_LABEL,
    Healthcheck,
    Limits,
    Mount,
    Port,
    ServiceSpec,
    StackSpec,
)
from mailboxes.stack.blueprint import environment

#: Service → the TCP ports that it publishes, before QUAZZAR_STACK_PORT_OFFSET is added.
PORTS: Mapping[str, tuple[int, ...]] = {
    "postfix": (25, 587, 465),
    "dovecot": (143, 993),
    "rspamd": (11334,),
}
SERVICES = tuple(PORTS)
#: Stands in for the host name until the operator has chosen one (RFC 2606: it never exists).
_NO_HOSTNAME = "stack.invalid"
#: The longest host name that Linux gives a container.
_LONGEST_HOSTNAME = 63
_LOOPBACK = "127.0.0.1"
#: What a server needs that starts as root, hands its files to its own users, and becomes them.
_SERVER = (
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETGID",
    "SETUID",
    "SYS_CHROOT",
)
#: 600 SMTP sessions at once take 1.4 GiB, and as many processes; each open mailbox takes a process of Dovecot.
LIMITS: Mapping[str, Limits] = {
    "postfix": Limits(2048, 2048, _SERVER),
    "dovecot": Limits(4096, 4096, _SERVER),
    # It runs as its own user from the start.
    "rspamd": Limits(2048, 512, ()),
}


@dataclass(frozen=True)
class Options:
    """What the operator can choose.

    Attributes:
        bind: IPv4 address of the host to publish ports on; 0.0.0.0 means all.
        port_offset: added to every published port.
        images: service → reference of its image.
    """

    project: str
    hostname: str
    bind: str
    port_offset: int
    images: Mapping[str, str]

    @classmethod
    def from_settings(cls, hostname: str) -> Options:
        """The options of this installation, for a stack of that host name."""
        return cls(
            project=settings.QUAZZAR_STACK_PROJECT,
            hostname=hostname or _NO_HOSTNAME,
            bind=settings.QUAZZAR_STACK_BIND,
            port_offset=settings.QUAZZAR_STACK_PORT_OFFSET,
            images={
                "postfix": settings.QUAZZAR_IMAGE_POSTFIX,
                "dovecot": settings.QUAZZAR_IMAGE_DOVECOT,
                "rspamd": settings.QUAZZAR_IMAGE_RSPAMD,
            },
        )


def for_hostname(hostname: str) -> StackSpec:
    """The specification of this installation's stack; ``hostname`` may be empty while none is chosen."""
    return build(Options.from_settings(hostname))


def build(options: Options) -> StackSpec:
    """The specification of a stack with these options. Pure."""
    project = options.project
    return StackSpec(
        project=project,
        hostname=options.hostname,
        network=project,
        volumes=tuple(f"{project}-mail-{kind}" for kind in ("config", "data", "dkim", "sockets")),
        labels=((PROJECT_LABEL, project),),
        # In the order of starting: Postfix last, because it asks the other two.
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
            # The init script is in the root of this volume; images differ in where they look for it.
            Mount(config, "/docker-init.d", read_only=True),
            Mount(config, "/docker-init.db", read_only=True),
            Mount(f"{options.project}-mail-data", "/mail-data"),
            Mount(f"{options.project}-mail-dkim", "/mail-dkim"),
            _sockets(options),
        ),
        ports=_ports(options, "postfix"),
        healthcheck=Healthcheck(("CMD", "/scripts/healthcheck.sh"), 10, 5, 60, 3),
        stop_grace=20,
    )


def _dovecot(options: Options) -> ServiceSpec:
    config = f"{options.project}-mail-config"
    return _service(
        options,
        "dovecot",
        mounts=(
            Mount(config, "/etc/dovecot"),
            Mount(f"{options.project}-mail-data", "/srv/vmail"),
            # dovecot.conf includes a file by this path only where there is a volume for its sockets.
            Mount(config, "/mail-config", read_only=True),
            _sockets(options),
        ),
        ports=_ports(options, "dovecot"),
        healthcheck=_speaks(143, "", "'* OK'*", interval=15),
    )


def _rspamd(options: Options) -> ServiceSpec:
    # Its web interface is published on this machine alone, whatever address the rest is published on.
    return _service(
        options,
        "rspamd",
        mounts=(
            Mount(f"{options.project}-mail-config", "/mail-config", read_only=True),
            Mount(f"{options.project}-mail-dkim", "/mail-dkim", read_only=True),
            _sockets(options),
        ),
        ports=_ports(options, "rspamd", bind=_LOOPBACK),
        command=(
            *("/usr/bin/rspamd", "-f", "--var", "LOCAL_CONFDIR=/mail-config/rspamd"),
            *("--var", "QUAZZAR_SOCKETS=/mail-config/rspamd/sockets"),
        ),
        healthcheck=_speaks(11334, r"GET /ping HTTP/1.0\r\n\r\n", "'HTTP/'*' 200 '*", interval=10),
    )


def _sockets(options: Options) -> Mount:
    """Where Dovecot and Rspamd listen for Postfix."""
    return Mount(f"{options.project}-mail-sockets", "/mail-sockets")


def _ports(options: Options, service: str, bind: str | None = None) -> tuple[Port, ...]:
    place = options.bind if bind is None else bind
    return tuple(Port(number, number + options.port_offset, place) for number in PORTS[service])


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
        limits=LIMITS[service],
        labels=((PROJECT_LABEL, options.project), (SERVICE_LABEL, service)),
        stop_grace=stop_grace,
    )


def _speaks(port: int, request: str, answer: str, *, interval: int) -> Healthcheck:
    """Healthy if the port answers in its protocol; an open port alone proves nothing.

    Args:
        request: bytes to send first, as printf writes them; empty for a service that greets.
        answer: bash pattern that the first line must match.
        interval: seconds between two checks.
    """
    script = (
        f"exec 3<>/dev/tcp/127.0.0.1/{port} && printf '{request}' >&3"
        f" && read -r -t 3 line <&3 && [[ $line == {answer} ]]"
    )
    return Healthcheck(("CMD", "bash", "-c", script), interval, 5, 60, 3)
