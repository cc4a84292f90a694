"""A fake or a real Docker Engine for the tests of the edge, with what they must do without going through it."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mailboxes.engine.spec import Limits, Mount, Port, ServiceSpec
from tests.fakeparts import FakeContainer, FakeNetwork, FakeVolume
from tests.fakes import FakeEngine
from tests.rig import LOOPBACK, free_port

if TYPE_CHECKING:
    import docker

    from mailboxes.engine.client import Engine


class World(ABC):
    """An Engine, and the names that a test may use on it."""

    engine: Engine

    def __init__(self, project: str, image: str) -> None:
        self.project = project
        self.labels = {"quazzar.project": project}
        self.volume = f"{project}-data"
        self.base = ServiceSpec(
            service="postfix",
            name=f"{project}-postfix",
            image=image,
            hostname="mail.example.org",
            network=project,
            aliases=("postfix",),
            environment=(("GREETING", "two words"),),
            mounts=(Mount(self.volume, "/data"), Mount(self.volume, "/shown", read_only=True)),
            ports=(Port(25, free_port(), LOOPBACK),),
            command=("sleep", "infinity"),
            limits=Limits(256, 128, ("CHOWN", "DAC_OVERRIDE", "KILL")),
            healthcheck=None,
            labels=(("quazzar.project", project), ("quazzar.service", "postfix")),
            stop_grace=3,
        )

    def spec(self, **changes: Any) -> ServiceSpec:
        """The specification of the test's container, with these changes."""
        return replace(self.base, **changes)

    def another(self) -> ServiceSpec:
        """The specification of a second container, which publishes the same port."""
        labels = (("quazzar.project", self.project), ("quazzar.service", "dovecot"))
        return self.spec(
            name=f"{self.project}-dovecot", service="dovecot", labels=labels, aliases=("dovecot",)
        )

    def created(self, spec: ServiceSpec | None = None) -> str:
        """Creates a container with its network and volume, and returns its name."""
        spec = spec or self.base
        self.engine.ensure_network(self.project, self.labels)
        self.engine.ensure_volume(self.volume, self.labels)
        self.engine.create(spec)
        return spec.name

    def running(self, spec: ServiceSpec | None = None) -> str:
        """Creates and starts a container, and returns its name."""
        name = self.created(spec)
        self.engine.start(name)
        return name

    @abstractmethod
    def strange(self, kind: str, name: str, labels: dict[str, str] | None = None) -> None:
        """Creates a network, volume or container without the labels of this product; a volume with these."""

    @abstractmethod
    def occupied(self, port: int) -> Any:
        """A context in which a process of the host listens on a port."""


class FakeWorld(World):
    """The fake Engine."""

    engine: FakeEngine

    def __init__(self) -> None:
        super().__init__("qz-fake", "example/image:1")
        self.engine = FakeEngine([self.base.image])

    def strange(self, kind: str, name: str, labels: dict[str, str] | None = None) -> None:
        match kind:
            case "network":
                self.engine.networks[name] = FakeNetwork({}, 250)
            case "volume":
                self.engine.disks[name] = FakeVolume(labels or {})
            case "container":
                self.engine.boxes[name] = FakeContainer(self.spec(name=name, labels=()), "1", "2")

    @contextmanager
    def occupied(self, port: int) -> Iterator[None]:
        self.engine.busy_ports[port] = ""
        yield
        del self.engine.busy_ports[port]


class RealWorld(World):
    """The real Docker Engine of the test run."""

    def __init__(self, engine: Engine, project: str, image: str, client: docker.DockerClient) -> None:
        super().__init__(project, image)
        self.engine = engine
        self._client = client

    def strange(self, kind: str, name: str, labels: dict[str, str] | None = None) -> None:
        match kind:
            case "network":
                self._client.networks.create(name)
            case "volume":
                self._client.volumes.create(name, labels=labels)
            case "container":
                self._client.containers.create(self.base.image, "true", name=name)

    @contextmanager
    def occupied(self, port: int) -> Iterator[None]:
        with socket.create_server((LOOPBACK, port)):
            yield
