"""The stack as a docker-compose.yml: the same containers, from the same specification, on the same volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from mailboxes.models import Stack
from mailboxes.stack import options, spec

if TYPE_CHECKING:
    from mailboxes.stack.spec import Healthcheck, Mount, Port, ServiceSpec, StackSpec

_HEAD = """\
# The mailbox stack as Quazzar runs it. Users, tables, keys and certificate are in the volumes, which Quazzar fills:
# nothing here is secret, and without those volumes nobody can log in. Made by Quazzar; edits are not read back.
"""


def export() -> str:
    """The file for the stack as it is set now."""
    return render(spec.build(options.from_settings(Stack.load().hostname or "mail.example.com")))


def render(stack: StackSpec) -> str:
    """YAML that Compose takes as it is (1.29 and the Compose Specification)."""
    labels = dict(stack.labels)
    document: dict[str, Any] = {
        "version": "3.4",
        "services": {service.service: _service(service) for service in stack.services},
        "networks": {"stack": {"name": stack.network, "labels": labels}},
        "volumes": {name: {"name": name, "labels": labels} for name in stack.volumes},
    }
    return _HEAD + yaml.safe_dump(document, sort_keys=False, width=110)


def _service(service: ServiceSpec) -> dict[str, Any]:
    found: dict[str, Any] = {
        "image": service.image,
        "container_name": service.name,
        "hostname": service.hostname,
        "restart": spec.RESTART_POLICY,
        "networks": {"stack": {"aliases": list(service.aliases)}},
        "ports": [_port(port) for port in service.ports],
        "volumes": [_mount(mount) for mount in service.mounts],
        "labels": {**dict(service.labels), spec.SPEC_LABEL: service.digest},
        "stop_grace_period": f"{service.stop_grace}s",
        "logging": {"driver": spec.LOG_DRIVER, "options": dict(spec.LOG_OPTIONS)},
    }
    if service.environment:
        # Compose would take $x for a variable of its own.
        found["environment"] = {name: value.replace("$", "$$") for name, value in service.environment}
    if service.command is not None:
        found["command"] = [word.replace("$", "$$") for word in service.command]
    if service.healthcheck is not None:
        found["healthcheck"] = _healthcheck(service.healthcheck)
    return found


def _port(port: Port) -> str:
    return f"{port.bind}:{port.host}:{port.container}" if port.bind else f"{port.host}:{port.container}"


def _mount(mount: Mount) -> str:
    return f"{mount.volume}:{mount.target}{':ro' if mount.read_only else ''}"


def _healthcheck(check: Healthcheck) -> dict[str, Any]:
    return {
        "test": [word.replace("$", "$$") for word in check.test],
        "interval": f"{check.interval}s",
        "timeout": f"{check.timeout}s",
        "start_period": f"{check.start_period}s",
        "retries": check.retries,
    }
