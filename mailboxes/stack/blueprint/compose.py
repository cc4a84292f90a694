"""Exports the stack as a docker-compose.yml, so that it can be run without Quazzar.

It is written for the Compose specification as docker-compose 1.27 to 1.29 and Compose v2 read it, so it has neither
``version`` nor a top-level ``name``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from mailboxes.engine.spec import (
    LOG_DRIVER,
    LOG_OPTIONS,
    RESTART_POLICY,
    SECURITY_OPTIONS,
    SPEC_LABEL,
)
from mailboxes.models import Stack
from mailboxes.stack.blueprint import services

if TYPE_CHECKING:
    from mailboxes.engine.spec import Healthcheck, Mount, Port, ServiceSpec, StackSpec

_HEAD = """\
# The mailbox stack {project} on {hostname}, written by Quazzar. It contains no secrets: configuration, certificates
# and mail are in the named volumes. Run "docker-compose up -d" only after you have disabled the stack in Quazzar.
"""


def export() -> str:
    """The file for the stack of this installation."""
    return render(services.for_hostname(Stack.load().hostname))


def render(spec: StackSpec) -> str:
    """The file for this specification. Pure."""
    document = {
        "services": {service.service: _service(service) for service in spec.services},
        "networks": {"stack": {"name": spec.network, "labels": dict(spec.labels)}},
        "volumes": {
            _key(spec.project, volume): {"name": volume, "labels": dict(spec.labels)}
            for volume in spec.volumes
        },
    }
    head = _HEAD.format(project=spec.project, hostname=spec.hostname)
    return head + yaml.safe_dump(_escaped(document), sort_keys=False, allow_unicode=True, width=1000)


def _service(service: ServiceSpec) -> dict[str, Any]:
    project = service.network
    entry: dict[str, Any] = {
        "image": service.image,
        "container_name": service.name,
        "hostname": service.hostname,
        "restart": RESTART_POLICY,
        "stop_grace_period": f"{service.stop_grace}s",
    }
    if service.command is not None:
        entry["command"] = list(service.command)
    if service.environment:
        entry["environment"] = dict(service.environment)
    entry["networks"] = {"stack": {"aliases": list(service.aliases)}}
    entry["ports"] = [_port(port) for port in service.ports]
    entry["volumes"] = [_mount(project, mount) for mount in service.mounts]
    if service.healthcheck is not None:
        entry["healthcheck"] = _healthcheck(service.healthcheck)
    entry["mem_limit"] = f"{service.limits.memory_mib}m"
    entry["pids_limit"] = service.limits.processes
    entry["cap_drop"] = ["ALL"]
    if service.limits.capabilities:
        entry["cap_add"] = list(service.limits.capabilities)
    entry["security_opt"] = list(SECURITY_OPTIONS)
    entry["labels"] = dict(service.labels) | {SPEC_LABEL: service.digest}
    entry["logging"] = {"driver": LOG_DRIVER, "options": dict(LOG_OPTIONS)}
    return entry


def _port(port: Port) -> str:
    return f"{port.bind}:{port.host}:{port.container}"


def _mount(project: str, mount: Mount) -> str:
    return f"{_key(project, mount.volume)}:{mount.target}:{'ro' if mount.read_only else 'rw'}"


def _key(project: str, volume: str) -> str:
    """The key of the volume within the file."""
    return volume.removeprefix(f"{project}-")


def _healthcheck(check: Healthcheck) -> dict[str, Any]:
    return {
        "test": list(check.test),
        "interval": f"{check.interval}s",
        "timeout": f"{check.timeout}s",
        "start_period": f"{check.start_period}s",
        "retries": check.retries,
    }


def _escaped(value: Any) -> Any:
    """Doubles every dollar sign, because Compose replaces ``$NAME`` with a variable."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value
