"""What is there on the Docker Engine, in one look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailboxes.engine.client import ContainerState, Engine, NetworkState
    from mailboxes.engine.spec import StackSpec


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
