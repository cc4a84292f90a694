"""What the Docker Engine has, compared with what it should have: a list of actions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailboxes.engine.client import Engine
    from mailboxes.engine.spec import ServiceSpec, StackSpec
    from mailboxes.engine.values import ContainerState, NetworkState

#: How long an unhealthy container is left alone after its start before it is restarted.
PATIENCE = timedelta(seconds=90)


@dataclass(frozen=True)
class Observation:
    """What the Engine has, at one moment.

    Attributes:
        containers: service → state.
        images: service → id of the image to create it from; None if the Engine does not have it.
    """

    network: NetworkState | None
    volumes: frozenset[str]
    containers: Mapping[str, ContainerState]
    images: Mapping[str, str | None]

    def running(self, service: str) -> bool:
        """Whether the service's container runs."""
        state = self.containers.get(service)
        return state is not None and state.status == "running"

    def healthy(self, service: str) -> bool:
        """Whether the service's container runs, and its health check, if it has one, passes."""
        return self.running(service) and self.containers[service].health in {"healthy", "none"}


def observe(engine: Engine, spec: StackSpec) -> Observation:
    """Asks the Engine for everything that ``plan`` needs.

    Raises:
        StackError: the Engine does not answer.
    """
    return Observation(
        network=engine.network(spec.network),
        volumes=frozenset(engine.volumes(spec.project)),
        containers=engine.containers(spec.project),
        images={service.service: engine.image_id(service.source) for service in spec.services},
    )


@dataclass(frozen=True)
class Action:
    """One step towards the desired state.

    Attributes:
        kind: network, volume, pull, create, recreate, start or restart.
        target: a service, or the name of a volume or network.
        sentence: what differs, for the operator.
        interrupts: the step would interrupt mail that flows now, so the operator must allow it first.
    """

    kind: str
    target: str
    sentence: str
    interrupts: bool = False


def plan(spec: StackSpec, observation: Observation, now: datetime) -> list[Action]:
    """The steps from what was observed to the specification, in order; empty if nothing differs. Pure."""
    actions = []
    if observation.network is None:
        actions.append(Action("network", spec.network, f"The network {spec.network} is missing."))
    missing = [name for name in spec.volumes if name not in observation.volumes]
    actions += [Action("volume", name, f"The volume {name} is missing.") for name in missing]
    lost = detached(spec, observation)
    for service in spec.services:
        if observation.images.get(service.service) is None and service.service not in observation.containers:
            actions.append(Action("pull", service.service, f"The image {service.image} is missing."))
        actions += _service_actions(service, observation, now, detached=service in lost)
    return _with_partners(spec, observation, actions)


def _with_partners(spec: StackSpec, observation: Observation, actions: list[Action]) -> list[Action]:
    """The same, where a re-created container would not find the others through the shared volume.

    A container of an older release lacks that volume. As long as all three do, they go on as they are.
    """
    if not any(action.kind in {"create", "recreate"} and not action.interrupts for action in actions):
        return actions
    lacking = {
        service.service
        for service in spec.services
        if (state := observation.containers.get(service.service))
        and not {mount.volume for mount in service.mounts} <= state.volumes
    }
    return [
        replace(action, interrupts=action.interrupts and action.target not in lacking) for action in actions
    ]


def detached(spec: StackSpec, observation: Observation) -> list[ServiceSpec]:
    """Services whose container has lost its network or a volume; a new one of the same name does not help it. Pure."""
    return [
        service
        for service in spec.services
        if service.service in observation.containers
        and (observation.network is None or _own(service, observation) - observation.volumes)
    ]


def _own(service: ServiceSpec, observation: Observation) -> frozenset[str]:
    """The volumes of the stack that the service's container has; one of an older release may lack some."""
    wanted = frozenset(mount.volume for mount in service.mounts)
    return wanted & observation.containers[service.service].volumes


def _service_actions(
    service: ServiceSpec, observation: Observation, now: datetime, *, detached: bool
) -> list[Action]:
    state, name = observation.containers.get(service.service), service.service
    if state is None:
        return [Action("create", name, f"The container {service.name} is missing.")]
    if detached:
        return [Action("recreate", name, f"The container {service.name} has lost its network or a volume.")]
    if reason := _outdated(service, state, observation):
        return [Action("recreate", name, reason, interrupts=observation.healthy(name))]
    if state.status == "paused":
        return [Action("restart", name, f"The container {service.name} is paused.")]
    if state.status != "running":
        return [Action("start", name, f"The container {service.name} is not running ({state.status}).")]
    if state.health == "unhealthy" and now - _moment(state.started_at) > PATIENCE:
        return [Action("restart", name, f"The container {service.name} is unhealthy.")]
    return []


def _outdated(service: ServiceSpec, state: ContainerState, observation: Observation) -> str:
    """Why the container must be recreated, in a sentence; empty if it need not be."""
    if state.spec != service.digest:
        return (
            f"The container {service.name} was created with an image, environment or configuration that "
            "differs from the current settings."
        )
    wanted = observation.images.get(service.service)
    if wanted is not None and wanted != state.image_id:
        if service.pinned:
            return f"The container {service.name} does not run the image that it was brought up with."
        return f"The container {service.name} runs an older {service.image} than the one on the Docker host."
    return ""


def _moment(text: str) -> datetime:
    # The Engine gives nanoseconds; Python reads microseconds.
    head, _, tail = text.partition(".")
    digits = tail.rstrip("Z")[:6]
    return datetime.fromisoformat(f"{head.rstrip('Z')}.{digits or '0'}+00:00")
