"""Request bodies for the Docker Engine: the JSON that creates a container, and the tar that carries files. Pure."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any

from mailboxes.engine.spec import (
    LOG_DRIVER,
    LOG_OPTIONS,
    PROJECT_LABEL,
    RESTART_POLICY,
    SECURITY_OPTIONS,
    SPEC_LABEL,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailboxes.engine.spec import Healthcheck, Mount, Port, ServiceSpec
    from mailboxes.engine.values import PutFile

_NANOSECONDS = 1_000_000_000


def container(spec: ServiceSpec) -> dict[str, Any]:
    """The JSON body of ``POST /containers/create`` (Docker Engine API)."""
    labels = dict(spec.labels)
    body: dict[str, Any] = {
        "Image": spec.source,
        "Hostname": spec.hostname,
        "Env": [f"{name}={value}" for name, value in spec.environment],
        "Labels": labels | {SPEC_LABEL: spec.digest},
        "ExposedPorts": {f"{port.container}/tcp": {} for port in spec.ports},
        "StopTimeout": spec.stop_grace,
        "HostConfig": {
            "Mounts": [_mount(mount, labels) for mount in spec.mounts],
            "PortBindings": _bindings(spec.ports),
            "NetworkMode": spec.network,
            "RestartPolicy": {"Name": "no" if spec.temporary else RESTART_POLICY},
            "AutoRemove": spec.temporary,
            "LogConfig": {"Type": LOG_DRIVER, "Config": dict(LOG_OPTIONS)},
            "Init": False,
            "Memory": spec.limits.memory_mib * 1024**2,
            "PidsLimit": spec.limits.processes,
            "CapDrop": ["ALL"],
            "CapAdd": list(spec.limits.capabilities),
            "SecurityOpt": list(SECURITY_OPTIONS),
        },
        "NetworkingConfig": {"EndpointsConfig": {spec.network: {"Aliases": list(spec.aliases)}}},
    }
    if spec.command is not None:
        body["Cmd"] = list(spec.command)
    if spec.healthcheck is not None:
        body["Healthcheck"] = _healthcheck(spec.healthcheck)
    return body


def _mount(mount: Mount, labels: dict[str, str]) -> dict[str, Any]:
    # The Engine creates a missing volume. Without our label nothing would ever remove it.
    project_label = {name: value for name, value in labels.items() if name == PROJECT_LABEL}
    return {
        "Type": "volume",
        "Source": mount.volume,
        "Target": mount.target,
        "ReadOnly": mount.read_only,
        "VolumeOptions": {"Labels": project_label},
    }


def _bindings(ports: Iterable[Port]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        binding = {"HostIp": port.bind, "HostPort": str(port.host)}
        bindings.setdefault(f"{port.container}/tcp", []).append(binding)
    return bindings


def _healthcheck(check: Healthcheck) -> dict[str, Any]:
    return {
        "Test": list(check.test),
        "Interval": check.interval * _NANOSECONDS,
        "Timeout": check.timeout * _NANOSECONDS,
        "StartPeriod": check.start_period * _NANOSECONDS,
        "Retries": check.retries,
    }


def archive(files: Iterable[PutFile], mtime: int) -> bytes:
    """The files as a tar archive for ``PUT /containers/{id}/archive``, with paths relative to ``/``.

    Args:
        mtime: modification time of every entry, in Unix time.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in files:
            entry = tarfile.TarInfo(file.path.strip("/"))
            entry.mode, entry.uid, entry.gid, entry.mtime = file.mode, file.uid, file.gid, mtime
            if file.path.endswith("/"):
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
            else:
                entry.size = len(file.data)
                tar.addfile(entry, io.BytesIO(file.data))
    return buffer.getvalue()
