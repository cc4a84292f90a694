"""What goes into the Docker edge and what comes out of it: plain values, and how the engine's answers become them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mailboxes.engine.spec import PROJECT_LABEL, SERVICE_LABEL, SPEC_LABEL


@dataclass(frozen=True)
class EngineInfo:
    """The Docker Engine and the machine that it runs on.

    Attributes:
        disk_root: directory on that machine that holds images, containers and volumes.
        is_local: that machine is this one.
        rootless: it runs without root, so low ports may be refused to it.
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
    """A container as it was when we looked.

    Attributes:
        status: created, running, paused, restarting, removing, exited or dead.
        health: healthy, unhealthy, starting or none.
        spec: digest of the specification that it was made from.
        exit_code: None unless it has ended.
        address: its address on the network; empty unless it runs.
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


@dataclass(frozen=True)
class NetworkState:
    """A network.

    Attributes:
        gateway: the host's address on it.
        ours: it was made by this product.
    """

    id: str
    name: str
    gateway: str
    subnet: str
    ours: bool


@dataclass(frozen=True)
class PutFile:
    """A file for a container; with a ``/`` at the end of its path, a directory."""

    path: str
    data: bytes = field(repr=False)
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class Result:
    """What a command ended with."""

    exit_code: int
    stdout: bytes = field(default=b"", repr=False)
    stderr: bytes = field(default=b"", repr=False)


def info(answer: Mapping[str, Any], api_version: str, *, is_local: bool) -> EngineInfo:
    """From GET /info."""
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
    """From GET /containers/{id}/json."""
    state, config = answer["State"], answer["Config"]
    labels = config.get("Labels") or {}
    addresses = [each.get("IPAddress") or "" for each in answer["NetworkSettings"]["Networks"].values()]
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
    )


def by_service(project: str, found: list[ContainerState]) -> dict[str, ContainerState]:
    """Service → its container; of several the one with the name that we gave counts."""
    ordered = sorted(
        found, key=lambda each: (each.name == f"{project}-{each.service}", each.status == "running")
    )
    return {each.service: each for each in ordered if each.service}


def network(answer: Mapping[str, Any]) -> NetworkState:
    """From GET /networks; of two address families the first is IPv4."""
    pools = (answer.get("IPAM") or {}).get("Config") or [{}]
    pool = next((each for each in pools if "." in each.get("Subnet", "")), pools[0])
    return NetworkState(
        id=answer["Id"],
        name=answer["Name"],
        gateway=(pool.get("Gateway") or "").partition("/")[0],
        subnet=pool.get("Subnet") or "",
        ours=PROJECT_LABEL in (answer.get("Labels") or {}),
    )
