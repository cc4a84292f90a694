"""A Docker Engine in memory. The tests in tests/mailboxes/engine/test_contract.py compare it with the real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

from mailboxes.engine import failures, values
from mailboxes.engine.client import Engine
from mailboxes.engine.failures import Refused, check_our_volume, check_ours
from mailboxes.engine.logstream import LogStream
from mailboxes.engine.pull import PullProgress
from mailboxes.engine.spec import PROJECT_LABEL, Mount, ServiceSpec
from mailboxes.engine.values import ContainerState, EngineInfo, NetworkState, PutFile, Result
from quazzar.errors import EngineUnreachable, ImageUnavailable, NotRunning, NotThere, QuazzarError
from tests.fakeparts import (
    FakeContainer,
    FakeLogStream,
    FakeNetwork,
    FakeVolume,
    Ran,
    Reply,
    files_of,
    tar_of,
)

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Killed(BaseException):
    """The process was killed here; nothing after this line was executed."""


def _asked(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """Records the call, and raises the faults that the test switched on, before or just after its effect."""

    @wraps(method)
    def ask(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        fake: Any = args[0]
        stdin: Any = kwargs.get("stdin")
        if callable(stdin):  # like the real Engine, before the command gets anything; faults come after it
            kwargs["stdin"] = stdin()
        fake.begin(method.__name__, args[1:])
        answer = method(*args, **kwargs)
        fake.end()
        return answer

    return ask


class FakeEngine(Engine):
    """A Docker Engine in memory.

    Attributes:
        images: reference → id of each image that the Engine has.
        registry: reference → size in bytes of each image that can be fetched.
        pruned: ids of images that were removed.
        known_digests: id of an image → the digests under which registries have it.
        published: reference → digest that its registry has now.
        busy_ports: port → container that publishes it; an empty name means a process of the host listens there.
        unreachable: every call raises EngineUnreachable.
        errors: method → error that its next call raises.
        die_at: number of the call (from 1) that raises ``Killed``, before its effect or, with ``die_after``, after it.
        health: service → health of its container once it runs (default healthy).
        calls: (method, arguments) of every call.
        commands: every command that was run.
        networks, disks, boxes: networks, volumes and containers by name.
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
        self.pruned: set[str] = set()
        self.known_digests: dict[str, list[str]] = {}
        self.published: dict[str, str] = {}
        self.busy_ports = dict(busy_ports or {})
        self.networks: dict[str, FakeNetwork] = {}
        self.disks: dict[str, FakeVolume] = {}
        self.boxes: dict[str, FakeContainer] = {}
        #: Containers of others that are connected to our network.
        self.strangers: list[str] = []
        self.unreachable = False
        self.errors: dict[str, QuazzarError] = {}
        self.die_at = 0
        self.die_after = False
        self.health: dict[str, str] = {}
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.commands: list[Ran] = []
        self._replies: list[tuple[tuple[str, ...], Reply]] = []
        self._made = 0

    # --- what tests set and read ---------------------------------------------------------------------------
    def reply(self, *argv: str, with_: Reply) -> None:
        """Sets the answer to commands that begin with these words; the latest matching reply wins."""
        self._replies.insert(0, (argv, with_))

    def file(self, volume: str, path: str) -> bytes:
        """The content of a file in a volume."""
        return self.disks[volume].files[path].data

    def called(self, method: str) -> int:
        """How often the method was called."""
        return sum(name == method for name, _ in self.calls)

    def begin(self, method: str, arguments: tuple[Any, ...]) -> None:
        """Records a call, and raises what the test wants it to raise."""
        self.calls.append((method, arguments))
        if self.die_at == len(self.calls) and not self.die_after:
            raise Killed
        if self.unreachable:
            raise EngineUnreachable
        if method in self.errors:
            raise self.errors.pop(method)

    def end(self) -> None:
        """Ends a call whose effect has happened."""
        if self.die_at and self.die_at == len(self.calls) and self.die_after:
            raise Killed

    def _client(self, timeout: float = 0) -> NoReturn:
        raise AssertionError("The fake Engine was about to ask a real one.")

    def close(self) -> None:
        """Does nothing: there is no connection."""

    # --- images --------------------------------------------------------------------------------------------
    @_asked
    def info(self) -> EngineInfo:
        return EngineInfo(
            "20.10.24", "1.41", "Debian GNU/Linux", "x86_64", "fake", 2, 4 << 30, "/var/lib/docker", False, False
        )  # fmt: skip

    @_asked
    def image_id(self, ref: str) -> str | None:
        return self._image(ref)

    def _image(self, ref: str) -> str | None:
        """By name, or by id: an image stays when its name moves to another."""
        if ref.startswith("sha256:"):
            return None if ref in self.pruned else ref
        return self.images.get(ref)

    @_asked
    def digests(self, ref: str) -> list[str]:
        return list(self.known_digests.get(self._image(ref) or "", ()))

    @_asked
    def registry_digest(self, ref: str) -> str:
        if ref not in self.published:
            raise failures.image_unavailable(ref, "its registry does not answer")
        return self.published[ref]

    @_asked
    def pullable(self, ref: str) -> bool:
        return ref in self.registry

    @_asked
    def pull(self, ref: str, progress: Callable[[int, str], None]) -> None:
        pull_progress = PullProgress(ref, progress)
        pull_progress.start()
        if ref not in self.registry:
            raise failures.image_unavailable(ref, "manifest unknown")
        size = self.registry[ref]
        pull_progress.update({"id": "layer", "status": "Pulling fs layer"})
        for tenth in range(1, 11):
            detail = {"current": size * tenth // 10, "total": size}
            pull_progress.update({"id": "layer", "status": "Downloading", "progressDetail": detail})
        pull_progress.update({"id": "layer", "status": "Pull complete"})
        self.images[ref.partition("@")[0]] = self.images[ref] = _identity(ref)
        self.pruned.discard(self.images[ref])
        pull_progress.done()

    # --- networks and volumes ------------------------------------------------------------------------------
    @_asked
    def network(self, name: str) -> NetworkState | None:
        return self._seen_network(name)

    def _seen_network(self, name: str) -> NetworkState | None:
        network = self.networks.get(name)
        if network is None:
            return None
        base = f"172.30.{network.number}"
        return NetworkState(
            _identity(name), name, f"{base}.1", f"{base}.0/24", ours=PROJECT_LABEL in network.labels
        )

    @_asked
    def ensure_network(self, name: str, labels: Mapping[str, str]) -> NetworkState:
        self._made += 1
        network = self.networks.setdefault(name, FakeNetwork(dict(labels), self._made % 250))
        check_ours("network", name, network.labels, labels)
        state = self._seen_network(name)
        assert state is not None
        return state

    @_asked
    def remove_network(self, name: str) -> None:
        if name not in self.networks:
            return
        check_ours("network", name, self.networks[name].labels)
        if (
            connected := [
                box.spec.name
                for box in self.boxes.values()
                if box.status == "running" and box.spec.network == name
            ]
            + self.strangers
        ):
            raise failures.network_in_use(name, connected)
        del self.networks[name]

    @_asked
    def volumes(self, project: str) -> set[str]:
        return {name for name, disk in self.disks.items() if values.is_volume_of(project, name, disk.labels)}

    @_asked
    def ensure_volume(self, name: str, labels: Mapping[str, str]) -> None:
        disk = self.disks.setdefault(name, FakeVolume(dict(labels)))
        check_our_volume(name, disk.labels, labels)

    @_asked
    def remove_volume(self, name: str) -> None:
        if name not in self.disks:
            return
        check_our_volume(name, self.disks[name].labels)
        users = [box.id for box in self.boxes.values() for mount in box.spec.mounts if mount.volume == name]
        if users:
            raise Refused(f"remove the volume {name}", 409, f"volume is in use - {users}")
        del self.disks[name]

    # --- containers ----------------------------------------------------------------------------------------
    @_asked
    def containers(self, project: str) -> dict[str, ContainerState]:
        states = [
            _state(box) for box in self.boxes.values() if dict(box.spec.labels).get(PROJECT_LABEL) == project
        ]
        return values.by_service(project, states)

    @_asked
    def create(self, spec: ServiceSpec) -> str:
        image_id = self._image(spec.source)
        if image_id is None:
            raise ImageUnavailable(f"The image {spec.image} is not on the Docker host.")
        if spec.name in self.boxes:
            raise failures.name_taken("container", spec.name)
        for mount in spec.mounts:
            labels = {PROJECT_LABEL: dict(spec.labels)[PROJECT_LABEL]}
            self.disks.setdefault(mount.volume, FakeVolume(labels))
        self._made += 1
        box = FakeContainer(spec, _identity(f"{spec.name}{self._made}"), image_id)
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
        if box.spec.network == "bridge":  # every Engine has it
            self.networks.setdefault("bridge", FakeNetwork({}, 250))
        if box.spec.network not in (*self.networks, "none"):
            raise NotThere(
                f"The container {name} lacks something it needs: network {box.spec.network} not found."
            )
        for port in box.spec.ports:
            holder = self._holder(port.host)
            if holder is not None:
                raise failures.port_taken(port.host, name, holder)
        self._made += 1
        box.status, box.exit_code = "running", None
        box.health = self.health.get(box.spec.service, "healthy") if box.spec.healthcheck else "none"
        box.started_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        if box.spec.network != "none":
            box.address = f"172.30.{self.networks[box.spec.network].number}.{self._made % 250 + 2}"

    def _holder(self, port: int) -> str | None:
        for box in self.boxes.values():
            if box.status == "running" and any(published.host == port for published in box.spec.ports):
                return box.spec.name
        return self.busy_ports.get(port)

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
        check_ours("container", name, dict(self.boxes[name].spec.labels))
        return self.boxes[name]

    # --- folders of containers -----------------------------------------------------------------------------
    @_asked
    def read_folder(self, name: str, path: str) -> Iterator[bytes]:
        box = self._box(name)
        mount = _mount(box.spec, f"{path}/")
        files = self.disks[mount.volume].files if mount else box.files
        below = f"{_below(mount, path)}/".lstrip("/") if mount else path
        chosen = {key.removeprefix(below): file for key, file in files.items() if key.startswith(below)}
        if below and not chosen:
            raise NotThere(f"The container {name} lacks something it needs: {path}.")
        return tar_of(chosen, path.rpartition("/")[2])

    @_asked
    def write_folder(self, name: str, path: str, tar: Iterator[bytes]) -> None:
        mount = _mount(self._box(name).spec, f"{path}/")
        assert mount is not None
        self.disks[mount.volume].files.update(files_of(b"".join(tar)))

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        self.begin("paused", (name,))
        runs = name in self.boxes and self.boxes[name].status == "running"
        if runs:
            self.boxes[name].status = "paused"
        try:
            yield
        finally:
            if runs:
                self.boxes[name].status = "running"
        self.end()

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
        last_words: bytes = b"",
    ) -> Result:
        assert not callable(stdin)
        box = self._box(name)
        if box.status != "running":
            raise NotRunning(f"The container {name} is not running.")
        ran = Ran(name, tuple(argv), stdin, user)
        self.commands.append(ran)
        for words, answer in self._replies:
            if ran.argv[: len(words)] == words:
                return _result(answer, ran)
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
                file = files.get(_below(mount, path) if mount else path)
                return Result(0, file.data) if file else Result(1, b"", b"cat: No such file or directory")
        raise AssertionError(f"No reply is set for {ran.argv} in {ran.name}.")

    @_asked
    def logs(self, name: str, tail: int) -> str:
        return "".join(f"{line}\n" for line in self._box(name).log[-tail:])

    @_asked
    def follow(self, name: str, since_ns: int) -> LogStream:
        return FakeLogStream(self._box(name), since_ns)  # type: ignore[return-value]

    @_asked
    def publisher(self, port: int) -> str:
        return self._holder(port) or ""


def _result(answer: Reply, ran: Ran) -> Result:
    if isinstance(answer, QuazzarError):
        raise answer
    return answer if isinstance(answer, Result) else answer(ran)


def _state(box: FakeContainer) -> ContainerState:
    return ContainerState(
        id=box.id,
        name=box.spec.name,
        service=box.spec.service,
        image=box.spec.source,
        image_id=box.image_id,
        status=box.status,
        health=box.health,
        started_at=box.started_at,
        spec=box.spec.digest,
        exit_code=box.exit_code,
        address=box.address,
        volumes=frozenset(mount.volume for mount in box.spec.mounts),
    )


def _mount(spec: ServiceSpec, path: str) -> Mount | None:
    """The mount that a path lies in, the deepest if there are several."""
    mounts = [mount for mount in spec.mounts if path.startswith(mount.target + "/")]
    return max(mounts, key=lambda mount: len(mount.target), default=None)


def _below(mount: Mount, path: str) -> str:
    return path.removeprefix(mount.target).strip("/")


def _identity(name: str) -> str:
    return f"sha256:{name.encode().hex():0<64.64}"
