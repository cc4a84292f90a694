"""Plain values that the Docker edge takes and returns, and how the Engine's answers are turned into them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mailboxes.engine.spec import PROJECT_LABEL, SERVICE_LABEL, SPEC_LABEL


@dataclass(frozen=True)
class EngineInfo:
    """The Docker Engine and the machine that it runs on.

    Attributes:
        memory_bytes: memory of that machine.
        disk_root: directory on that machine that holds images, containers and volumes.
        is_local: the Engine runs on this machine.
        rootless: it runs without root, so it may not be allowed to publish ports below 1024.
    """

    version: str
    api_version: str
    os: str
    architecture: str
    host_name: str
    cpus: int
    memory_bytes: int
    disk_root: str
    is_local: bool
    rootless: bool


@dataclass(frozen=True)
class ContainerState:
    """A container at the moment when it was inspected.

    Attributes:
        status: created, running, paused, restarting, removing, exited or dead.
        health: healthy, unhealthy, starting or none.
        started_at: RFC 3339, with nanoseconds.
        spec: digest of the specification that it was created from.
        exit_code: None unless it has exited.
        address: its IP address on the network; empty unless it runs.
        volumes: names of the volumes that are mounted in it.
        published: addresses of the host on which it is published; empty unless it runs.
    """

    id: str
    name: str
    service: str
    image: str
    image_id: str
    status: str
    health: str
    started_at: str
    spec: str
    exit_code: int | None
    address: str
    volumes: frozenset[str] = frozenset()
    published: frozenset[str] = frozenset()


def is_volume_of(project: str, name: str, labels: Mapping[str, str] | None) -> bool:
    """Whether a volume belongs to the project: by its label, or by its name if it was restored and has no label."""
    if labels:
        return labels.get(PROJECT_LABEL) == project
    return name.startswith(f"{project}-")


@dataclass(frozen=True)
class NetworkState:
    """A network.

    Attributes:
        gateway: address of the host on this network.
        subnet: in CIDR notation.
        ours: it carries a label of Quazzar.
    """

    id: str
    name: str
    gateway: str
    subnet: str
    ours: bool


@dataclass(frozen=True)
class PutFile:
    """A file for a container; a directory if its path ends with ``/``."""

    path: str
    data: bytes = field(repr=False)
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class Result:
    """Exit code and output of a command in a container."""

    exit_code: int
    stdout: bytes = field(default=b"", repr=False)
    stderr: bytes = field(default=b"", repr=False)


def info(answer: Mapping[str, Any], api_version: str, *, is_local: bool) -> EngineInfo:
    """``GET /info`` as a value."""
    return EngineInfo(
        version=answer.get("ServerVersion", ""),
        api_version=api_version,
        os=answer.get("OperatingSystem", ""),
        architecture=answer.get("Architecture", ""),
        host_name=answer.get("Name", ""),
        cpus=answer.get("NCPU", 0),
        memory_bytes=answer.get("MemTotal", 0),
        disk_root=answer.get("DockerRootDir", ""),
        is_local=is_local,
        rootless=any("name=rootless" in option for option in answer.get("SecurityOptions") or ()),
    )


def container(answer: Mapping[str, Any]) -> ContainerState:
    """``GET /containers/{id}/json`` as a value."""
    state, config = answer["State"], answer["Config"]
    labels = config.get("Labels") or {}
    networks = answer["NetworkSettings"]["Networks"].values()
    addresses = [network.get("IPAddress") or "" for network in networks]
    return ContainerState(
        id=answer["Id"],
        name=answer["Name"].lstrip("/"),
        service=labels.get(SERVICE_LABEL, ""),
        image=config["Image"],
        image_id=answer["Image"],
        status=state["Status"],
        health=(state.get("Health") or {}).get("Status") or "none",
        started_at=state["StartedAt"],
        spec=labels.get(SPEC_LABEL, ""),
        exit_code=state["ExitCode"] if state["Status"] in {"exited", "dead"} else None,
        address=next(filter(None, addresses), ""),
        volumes=frozenset(mount["Name"] for mount in answer.get("Mounts") or () if mount.get("Name")),
        published=frozenset(
            binding["HostIp"]
            for bindings in (answer["NetworkSettings"].get("Ports") or {}).values()
            for binding in bindings or ()
        ),
    )


def by_service(project: str, states: list[ContainerState]) -> dict[str, ContainerState]:
    """Service → its container. If there are several, the one named ``project-service`` wins, then a running one."""
    ordered = sorted(
        states, key=lambda state: (state.name == f"{project}-{state.service}", state.status == "running")
    )
    return {state.service: state for state in ordered if state.service}


def network(answer: Mapping[str, Any]) -> NetworkState:
    """One entry of ``GET /networks`` as a value; with two address families, its IPv4 side."""
    pools = (answer.get("IPAM") or {}).get("Config") or [{}]
    pool = next((pool for pool in pools if "." in pool.get("Subnet", "")), pools[0])
    return NetworkState(
        id=answer["Id"],
        name=answer["Name"],
        gateway=(pool.get("Gateway") or "").partition("/")[0],
        subnet=pool.get("Subnet") or "",
        ours=PROJECT_LABEL in (answer.get("Labels") or {}),
    )
