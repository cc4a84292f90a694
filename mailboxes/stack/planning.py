"""What the Docker Engine has, compared with what it should have: a list of actions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailboxes.engine.client import Engine
    from mailboxes.engine.spec import ServiceSpec, StackSpec
    from mailboxes.engine.values import ContainerState, NetworkState

#: An unhealthy container is given this long after its start before it is started again.
PATIENCE = timedelta(seconds=90)


@dataclass(frozen=True)
class Observation:
    """What was seen.

    Attributes:
        containers: service → state.
        images: service → id of the image that its name stands for now; None when it is not here.
    """

    network: NetworkState | None
    volumes: frozenset[str]
    containers: Mapping[str, ContainerState]
    images: Mapping[str, str | None]

    def running(self, service: str) -> bool:
        """Whether its container runs."""
        state = self.containers.get(service)
        return state is not None and state.status == "running"

    def well(self, service: str) -> bool:
        """Whether it runs, and its health check agrees."""
        return self.running(service) and self.containers[service].health in {"healthy", "none"}


def observe(engine: Engine, spec: StackSpec) -> Observation:
    """Looks.

    Raises:
        StackError: the engine does not answer.
    """
    return Observation(
        network=engine.network(spec.network),
        volumes=frozenset(engine.volumes(spec.project)),
        containers=engine.containers(spec.project),
        images={service.service: engine.image_id(service.image) for service in spec.services},
    )


@dataclass(frozen=True)
class Action:
    """One thing to do.

    Attributes:
        kind: network, volume, pull, create, recreate, start or restart.
        target: a service, or the volume's or network's name.
        sentence: what differs, for the operator.
        interrupts: mail that flows now would be interrupted: shown first, done when it is allowed.
    """

    kind: str
    target: str
    sentence: str
    interrupts: bool = False


def plan(spec: StackSpec, seen: Observation, now: datetime) -> list[Action]:
    """What to do, in order; empty when all is as it should be."""
    actions = []
    if seen.network is None:
        actions.append(Action("network", spec.network, f"The network {spec.network} is missing."))
    missing = [name for name in spec.volumes if name not in seen.volumes]
    actions += [Action("volume", name, f"The volume {name} is missing.") for name in missing]
    lost = homeless(spec, seen)
    for service in spec.services:
        if seen.images.get(service.service) is None and service.service not in seen.containers:
            actions.append(Action("pull", service.service, f"The image {service.image} is not here."))
        actions += _of_service(service, seen, now, lost=service in lost)
    return actions


def homeless(spec: StackSpec, seen: Observation) -> list[ServiceSpec]:
    """Services whose container has lost its network or a volume; one of the same name made anew does not help it."""
    return [
        service
        for service in spec.services
        if service.service in seen.containers
        and (seen.network is None or any(mount.volume not in seen.volumes for mount in service.mounts))
    ]


def _of_service(service: ServiceSpec, seen: Observation, now: datetime, *, lost: bool) -> list[Action]:
    state, name = seen.containers.get(service.service), service.service
    if state is None:
        return [Action("create", name, f"The container {service.name} is missing.")]
    if lost:
        return [Action("recreate", name, f"The container {service.name} has lost its network or a volume.")]
    if reason := _outdated(service, state, seen):
        return [Action("recreate", name, reason, interrupts=seen.well(name))]
    if state.status == "paused":
        return [Action("restart", name, f"The container {service.name} is paused.")]
    if state.status != "running":
        return [Action("start", name, f"The container {service.name} is not running ({state.status}).")]
    if state.health == "unhealthy" and now - _moment(state.started_at) > PATIENCE:
        return [Action("restart", name, f"The container {service.name} is unhealthy.")]
    return []


def _outdated(service: ServiceSpec, state: ContainerState, seen: Observation) -> str:
    if state.spec != service.digest:
        return f"{service.name} was made with another image, environment or configuration than is set now."
    wanted = seen.images.get(service.service)
    if wanted is not None and wanted != state.image_id:
        return f"{service.name} runs an older {service.image} than the one that is here now."
    return ""


def _moment(text: str) -> datetime:
    # The engine gives nanoseconds; Python reads microseconds.
    head, _, tail = text.partition(".")
    digits = tail.rstrip("Z")[:6]
    return datetime.fromisoformat(f"{head.rstrip('Z')}.{digits or '0'}+00:00")
