"""A Docker Engine in memory; the same tests hold it to the real one (tests/mailboxes/engine/test_contract.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

from mailboxes.engine import failures as enginefailures
from mailboxes.engine import values as enginetypes
from mailboxes.engine.client import Engine
from mailboxes.engine.failures import Refused, check_ours
from mailboxes.engine.pull import PullProgress
from mailboxes.engine.spec import PROJECT_LABEL, Mount, ServiceSpec
from mailboxes.engine.values import ContainerState, EngineInfo, NetworkState, PutFile, Result
from quazzar.errors import EngineUnreachable, ImageUnavailable, NotRunning, NotThere, QuazzarError
from tests.fakeparts import FakeContainer, FakeNetwork, FakeVolume, Ran, Reply

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Killed(BaseException):
    """The process was killed here: nothing after this line happened."""


def _asked(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """Notes the call, and lets the faults that are switched on happen, before it or just after its effect."""

    @wraps(method)
    def ask(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        fake: Any = args[0]
        made: Any = kwargs.get("stdin")
        if callable(made):  # as in the real one before the command gets anything; faults come after it
            kwargs["stdin"] = made()
        fake.begin(method.__name__, args[1:])
        answer = method(*args, **kwargs)
        fake.end()
        return answer

    return ask


class FakeEngine(Engine):
    """A Docker Engine in memory.

    Attributes:
        images: ref → id of what is here; ``registry``: ref → bytes of what can be fetched.
        busy_ports: port → container that publishes it; empty: some process of the host listens there.
        unreachable: nobody answers.
        errors: method → raised at its next call, once.
        die_at: raises ``Killed`` at the call of this number (from 1); with ``die_after`` once its effect is there.
        health: service → health that its container takes when it starts (default healthy).
        calls: (method, arguments) of every call; ``commands``: what was run.
        networks, disks, boxes: what is there by name; disks are volumes, boxes containers.
    """

    def __init__(
        self,
        images: Sequence[str] = (),
        *,
        registry: Mapping[str, int] | None = None,
        busy_ports: Mapping[int, str] | None = None,
    ) -> None:
        super().__init__()
        self.images: dict[str, str] = {ref: _identity(ref) for ref in images}
        self.registry = dict(registry or {})
        self.busy_ports = dict(busy_ports or {})
        self.networks: dict[str, FakeNetwork] = {}
        self.disks: dict[str, FakeVolume] = {}
        self.boxes: dict[str, FakeContainer] = {}
        self.unreachable = False
        self.errors: dict[str, QuazzarError] = {}
        self.die_at = 0
        self.die_after = False
        self.health: dict[str, str] = {}
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.commands: list[Ran] = []
        self._replies: list[tuple[tuple[str, ...], Reply]] = []
        self._made = 0

    # --- what tests say and ask ----------------------------------------------------------------------------
    def reply(self, *argv: str, with_: Reply) -> None:
        """The answer to commands that begin with these words; what was said last goes first."""
        self._replies.insert(0, (argv, with_))

    def file(self, volume: str, path: str) -> bytes:
        """What a file in a volume holds."""
        return self.disks[volume].files[path].data

    def called(self, method: str) -> int:
        """How often."""
        return sum(name == method for name, _ in self.calls)

    def begin(self, method: str, arguments: tuple[Any, ...]) -> None:
        """A call comes in."""
        self.calls.append((method, arguments))
        if self.die_at == len(self.calls) and not self.die_after:
            raise Killed
        if self.unreachable:
            raise EngineUnreachable
        if method in self.errors:
            raise self.errors.pop(method)

    def end(self) -> None:
        """Its effect is there."""
        if self.die_at and self.die_at == len(self.calls) and self.die_after:
            raise Killed

    def _client(self, timeout: float = 0) -> NoReturn:
        raise AssertionError("The engine in memory was about to ask a real one.")

    def close(self) -> None:
        """Nothing is open."""

    # --- images --------------------------------------------------------------------------------------------
    @_asked
    def info(self) -> EngineInfo:
        return EngineInfo(
            "20.10.24", "1.41", "Debian GNU/Linux", "x86_64", "fake", 2, 4 << 30, "/var/lib/docker", False, False
        )  # fmt: skip

    @_asked
    def image_id(self, ref: str) -> str | None:
        return self.images.get(ref)

    @_asked
    def pullable(self, ref: str) -> bool:
        return ref in self.registry

    @_asked
    def pull(self, ref: str, progress: Callable[[int, str], None]) -> None:
        teller = PullProgress(ref, progress)
        teller.start()
        if ref not in self.registry:
            raise enginefailures.image(ref, "manifest unknown")
        size = self.registry[ref]
        teller.take({"id": "layer", "status": "Pulling fs layer"})
        for tenth in range(1, 11):
            detail = {"current": size * tenth // 10, "total": size}
            teller.take({"id": "layer", "status": "Downloading", "progressDetail": detail})
        teller.take({"id": "layer", "status": "Pull complete"})
        self.images[ref] = _identity(ref)
        teller.done()

    # --- networks and volumes ------------------------------------------------------------------------------
    @_asked
    def network(self, name: str) -> NetworkState | None:
        return self._seen_network(name)

    def _seen_network(self, name: str) -> NetworkState | None:
        found = self.networks.get(name)
        if found is None:
            return None
        base = f"172.30.{found.number}"
        return NetworkState(
            _identity(name), name, f"{base}.1", f"{base}.0/24", ours=PROJECT_LABEL in found.labels
        )

    @_asked
    def ensure_network(self, name: str, labels: Mapping[str, str]) -> NetworkState:
        self._made += 1
        found = self.networks.setdefault(name, FakeNetwork(dict(labels), self._made % 250))
        check_ours("network", name, found.labels, labels)
        state = self._seen_network(name)
        assert state is not None
        return state

    @_asked
    def remove_network(self, name: str) -> None:
        if name not in self.networks:
            return
        check_ours("network", name, self.networks[name].labels)
        if any(box.status == "running" and box.spec.network == name for box in self.boxes.values()):
            raise Refused(f"remove the network {name}", 403, f"network {name} has active endpoints")
        del self.networks[name]

    @_asked
    def volumes(self, project: str) -> set[str]:
        return {name for name, each in self.disks.items() if each.labels.get(PROJECT_LABEL) == project}

    @_asked
    def ensure_volume(self, name: str, labels: Mapping[str, str]) -> None:
        found = self.disks.setdefault(name, FakeVolume(dict(labels)))
        check_ours("volume", name, found.labels, labels)

    @_asked
    def remove_volume(self, name: str) -> None:
        if name not in self.disks:
            return
        check_ours("volume", name, self.disks[name].labels)
        users = [box.id for box in self.boxes.values() for mount in box.spec.mounts if mount.volume == name]
        if users:
            raise Refused(f"remove the volume {name}", 409, f"volume is in use - {users}")
        del self.disks[name]

    # --- containers ----------------------------------------------------------------------------------------
    @_asked
    def containers(self, project: str) -> dict[str, ContainerState]:
        found = [
            _state(box) for box in self.boxes.values() if dict(box.spec.labels).get(PROJECT_LABEL) == project
        ]
        return enginetypes.by_service(project, found)

    @_asked
    def create(self, spec: ServiceSpec) -> str:
        if spec.image not in self.images:
            raise ImageUnavailable(f"The image {spec.image} is not on Docker's machine.")
        if spec.name in self.boxes:
            raise enginefailures.name_taken("container", spec.name)
        for mount in spec.mounts:
            ours = {PROJECT_LABEL: dict(spec.labels)[PROJECT_LABEL]}
            self.disks.setdefault(mount.volume, FakeVolume(ours))
        self._made += 1
        box = FakeContainer(spec, _identity(f"{spec.name}{self._made}"), self.images[spec.image])
        self.boxes[spec.name] = box
        return box.id

    @_asked
    def put(self, name: str, files: Sequence[PutFile]) -> None:
        box = self._box(name)
        for file in files:
            mount = _mount(box.spec, file.path)
            if mount is None:
                box.files[file.path] = file
                continue
            if mount.read_only:
                raise Refused(f"write files into {name}", 500, f"open {file.path}: read-only file system")
            self.disks[mount.volume].files[_below(mount, file.path)] = file

    @_asked
    def start(self, name: str) -> None:
        self._start(name)

    def _start(self, name: str) -> None:
        if (box := self._box(name)).status == "running":
            return
        if box.spec.network not in self.networks:
            raise NotThere(f"{name} lacks what it needs: network {box.spec.network} not found.")
        for port in box.spec.ports:
            holder = self._holder(port.host)
            if holder is not None:
                raise enginefailures.port_taken(port.host, name, holder)
        self._made += 1
        box.status, box.exit_code = "running", None
        box.health = self.health.get(box.spec.service, "healthy") if box.spec.healthcheck else "none"
        box.started_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        box.address = f"172.30.{self.networks[box.spec.network].number}.{self._made % 250 + 2}"

    def _holder(self, port: int) -> str | None:
        running = (each for each in self.boxes.values() if each.status == "running")
        ours = [each.spec.name for each in running if any(one.host == port for one in each.spec.ports)]
        return ours[0] if ours else self.busy_ports.get(port)

    @_asked
    def stop(self, name: str, timeout: int = 10) -> None:
        self._stop(name)

    def _stop(self, name: str) -> None:
        box = self._box(name)
        if box.status == "running":
            box.status, box.exit_code, box.address = "exited", 0, ""

    @_asked
    def restart(self, name: str, timeout: int = 10) -> None:
        self._stop(name)
        self._start(name)

    @_asked
    def remove(self, name: str) -> None:
        if name in self.boxes:
            check_ours("container", name, dict(self.boxes[name].spec.labels))
            del self.boxes[name]

    def _box(self, name: str) -> FakeContainer:
        if name not in self.boxes:
            raise NotThere(f"There is no container {name}.")
        return self.boxes[name]

    # --- inside a container --------------------------------------------------------------------------------
    @_asked
    def run(
        self,
        name: str,
        argv: Sequence[str],
        *,
        stdin: bytes | Callable[[], bytes] | None = None,
        timeout: float = 30.0,
        user: str = "",
    ) -> Result:
        assert not callable(stdin)
        box = self._box(name)
        if box.status != "running":
            raise NotRunning(f"The container {name} does not run.")
        ran = Ran(name, tuple(argv), stdin, user)
        self.commands.append(ran)
        for words, answer in self._replies:
            if ran.argv[: len(words)] == words:
                return _given(answer, ran)
        return self._builtin(box, ran)

    def _builtin(self, box: FakeContainer, ran: Ran) -> Result:
        match ran.argv:
            case ("true",):
                return Result(0)
            case ("false",):
                return Result(1)
            case ("cat", path):
                mount = _mount(box.spec, path)
                files = self.disks[mount.volume].files if mount else box.files
                found = files.get(_below(mount, path) if mount else path)
                return Result(0, found.data) if found else Result(1, b"", b"cat: No such file or directory")
        raise AssertionError(f"Nobody said what {ran.argv} answers in {ran.name}.")

    @_asked
    def logs(self, name: str, tail: int) -> str:
        return "".join(f"{line}\n" for line in self._box(name).log[-tail:])

    @_asked
    def publisher(self, port: int) -> str:
        return self._holder(port) or ""


def _given(answer: Reply, ran: Ran) -> Result:
    if isinstance(answer, QuazzarError):
        raise answer
    return answer if isinstance(answer, Result) else answer(ran)


def _state(box: FakeContainer) -> ContainerState:
    return ContainerState(
        id=box.id,
        name=box.spec.name,
        service=box.spec.service,
        image=box.spec.image,
        image_id=box.image_id,
        status=box.status,
        health=box.health,
        started_at=box.started_at,
        spec=box.spec.digest,
        exit_code=box.exit_code,
        address=box.address,
    )


def _mount(spec: ServiceSpec, path: str) -> Mount | None:
    """The mount that a path lies in: the deepest one."""
    found = [mount for mount in spec.mounts if path.startswith(mount.target + "/")]
    return max(found, key=lambda mount: len(mount.target), default=None)


def _below(mount: Mount, path: str) -> str:
    return path.removeprefix(mount.target).strip("/")


def _identity(name: str) -> str:
    return f"sha256:{name.encode().hex():0<64.64}"
