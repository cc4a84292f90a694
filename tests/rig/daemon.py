"""Docker Engines for tests: this machine's, or our own that a test may stop and start again."""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import docker
import docker.errors
import requests
from docker.models.networks import Network

from tests.rig import LOOPBACK, Missing, Part, ProcessGroup, Running, current_user, wait_until

SYSTEM_SOCKET = "unix:///var/run/docker.sock"
# Images are built once a machine: they outlive the run in here.
STORE = Path("/var/cache/quazzar-rig")
PACKAGES = ("docker.io", "iptables", "iproute2")
SEARCH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
START_TIMEOUT, STOP_TIMEOUT, CLAIM_TIMEOUT, CLIENT_TIMEOUT = 180.0, 180.0, 600.0, 600
LABEL = "quazzar.project"
UNANSWERED = (docker.errors.DockerException, requests.exceptions.RequestException, OSError)


def answers(url: str) -> bool:
    """Whether an Engine answers there, to this user."""
    try:
        with contextlib.closing(docker.DockerClient(base_url=url, timeout=5)) as client:
            return bool(client.ping())
    except UNANSWERED:
        return False


def program(name: str, *packages: str) -> str:
    """The path of a program, also where PATH lacks the directories of the administrator.

    Raises:
        Missing: it is not installed.
    """
    if (found := shutil.which(name, path=SEARCH)) is None:
        raise Missing(name, *packages)
    return found


class Engine(Part):
    """A `dockerd` of our own, with all its parts in places of their own."""

    ours = True

    def __init__(self, name: str) -> None:
        if os.geteuid() != 0:
            raise Missing("a Docker Engine that answers", *PACKAGES)
        self._programs = {each: program(each, *PACKAGES) for each in ("dockerd", "iptables", "ip", "nsenter")}
        super().__init__(Path("/run") / f"quazzar-rig-{name}", current_user())
        self.url = f"unix://{self.dir}/docker.sock"
        self.data = STORE / name
        self.address = LOOPBACK
        self._lock: int | None = None
        self._is_new = True

    def claim(self) -> bool:
        """Whether no other process has this Engine; from now on none can get it, until `close()` or our end."""
        if self._lock is not None:
            return True
        STORE.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.data.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    def start(self) -> None:
        """Start it: the first time with images only, then with all that was there at `stop()`."""
        if self.pid is not None:
            return
        wait_until(self.claim, CLAIM_TIMEOUT, f"the end of the other run that uses {self.data}")
        self.data.mkdir(parents=True, exist_ok=True)
        # A crash leaves the ids behind, and dockerd would look for a process that has long been another, or wait for a
        # containerd that died with it.
        for left in ("dockerd.pid", "exec/containerd/containerd.pid"):
            (self.dir / left).unlink(missing_ok=True)
        argv = [*self._front(), "env", f"PATH={SEARCH}", self._programs["dockerd"], *self._options()]
        self._process = ProcessGroup(argv, self.dir / "dockerd.log")
        self._process.wait_ready(lambda: answers(self.url), START_TIMEOUT)
        if self._is_new:
            self._is_new = False
            self._clear()

    def stop(self) -> None:
        """Stop it in good order, and with it every container."""
        if self._process is not None:
            self._process.stop(STOP_TIMEOUT)

    def close(self) -> None:
        try:
            super().close()
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    def client(self) -> docker.DockerClient:
        """A new client of this Engine; the caller closes it."""
        return docker.DockerClient(base_url=self.url, timeout=CLIENT_TIMEOUT)

    def _clear(self) -> None:
        """Remove what an earlier run left when it was killed."""
        with contextlib.closing(self.client()) as client:
            for container in client.containers.list(all=True, ignore_removed=True):
                container.remove(v=True, force=True)
            for volume in client.volumes.list():
                volume.remove(force=True)
            client.networks.prune()

    def _front(self) -> list[str]:
        return []

    def _options(self) -> list[str]:
        own = {"data-root": f"{self.data}", "exec-root": f"{self.dir}/exec"}
        own |= {"pidfile": f"{self.dir}/dockerd.pid", "host": self.url}
        own |= {"config-file": f"{self._configuration()}"}
        return [f"--{name}={value}" for name, value in own.items()]

    def _configuration(self) -> Path:
        """An empty file, so that the machine's own /etc/docker/daemon.json is not read."""
        file = self.dir / "daemon.json"
        file.write_text(json.dumps({}))
        return file


class PrivateEngine(Engine):
    """An Engine in a network of its own, for tests that stop it: the machine's own Engine notices nothing.

    What a container publishes (not on its loopback) is reached at `address`, not at 127.0.0.1. Images are
    not shared: `copy_image()` brings them.
    """

    def __init__(self, name: str = "private") -> None:
        super().__init__(name)
        number = secrets.randbelow(1 << 14)
        self._netns, self._link = f"qzrig{number}", f"qzrig{number}"
        subnet = f"10.213.{number >> 6}.{(number & 63) * 4}"
        front, last = subnet.rsplit(".", 1)
        self._names: NoNames | Running | None = None
        self._gateway, self.address = f"{front}.{int(last) + 1}", f"{front}.{int(last) + 2}"

    def start(self) -> None:
        if self.pid is None and not Path("/run/netns", self._netns).exists():
            self._make_network()
            self._names = self._name_server(self._gateway)
            self._names.start()
        super().start()

    def close(self) -> None:
        try:
            super().close()
        finally:
            if self._names is not None:
                self._names.stop()
            for what in (("link", "del", self._link), ("netns", "del", self._netns)):
                with contextlib.suppress(subprocess.CalledProcessError):
                    self._ip(*what)

    def _name_server(self, gateway: str) -> "NoNames | Running":
        """What answers the containers on this address, port 53; started here."""
        return NoNames(gateway)

    def copy_image(self, source: docker.DockerClient, reference: str) -> None:
        """Bring this image over from another Engine, unless the same one is here already."""
        image = source.images.get(reference)
        with contextlib.closing(self.client()) as client:
            try:
                client.images.get(str(image.id)).tag(reference)
            except docker.errors.ImageNotFound:
                client.api.load_image(image.save(named=reference))  # type: ignore[no-untyped-call]

    def _front(self) -> list[str]:
        # Not `ip netns exec`: that hides the control groups, without which no container starts.
        return [self._programs["nsenter"], f"--net=/run/netns/{self._netns}", "--"]

    def _options(self) -> list[str]:
        pools = ["--bip=10.214.0.1/24", "--default-address-pool=base=10.215.0.0/16,size=24"]
        # A name server out of reach would cost each look-up of a container twenty seconds.
        return [*super()._options(), *pools, f"--dns={self._gateway}"]

    def _make_network(self) -> None:
        self._ip("netns", "add", self._netns)
        peer = ("peer", "name", "eth0", "netns", self._netns)
        self._ip("link", "add", self._link, "type", "veth", *peer)
        self._ip("addr", "add", f"{self._gateway}/30", "dev", self._link)
        self._ip("link", "set", self._link, "up")
        self._ip("-n", self._netns, "addr", "add", f"{self.address}/30", "dev", "eth0")
        for device in ("lo", "eth0"):
            self._ip("-n", self._netns, "link", "set", device, "up")
        self._ip("-n", self._netns, "route", "add", "default", "via", self._gateway)

    def _ip(self, *words: str) -> None:
        subprocess.run([self._programs["ip"], *words], check=True, capture_output=True)


class NoNames(threading.Thread):
    """A name server that knows no name, and says so at once."""

    def __init__(self, address: str) -> None:
        super().__init__(name="no-names", daemon=True)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))

    def run(self) -> None:
        # Closing the socket from outside would not wake it up: an empty datagram does.
        while (received := self._socket.recvfrom(4096))[0]:
            query, sender = received
            question = query[12 : query.find(b"\0", 12) + 5]
            self._socket.sendto(query[:2] + b"\x81\x83\0\1\0\0\0\0\0\0" + question, sender)
        self._socket.close()

    def stop(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self._socket.getsockname())
        self.join()


class Daemon:
    """The Engine that the tests of a run share: the machine's if one answers, else one of our own.

    `ours` says whether it may be stopped. While it is ours, DOCKER_HOST points to it. Runs side by side use the
    same one; the run that started it waits at its end for the others.

    Raises:
        Missing: none answers, and none can be started here.
    """

    def __init__(self) -> None:
        self._engine: Engine | None = None
        self._users: int | None = None
        self._cleanup = contextlib.ExitStack()
        self.url = os.environ.get("DOCKER_HOST") or SYSTEM_SOCKET
        if answers(self.url):
            return
        if "DOCKER_HOST" in os.environ:
            raise Missing(f"the Docker Engine of DOCKER_HOST={self.url}", *PACKAGES)
        engine = Engine("engine")
        self.url = engine.url
        STORE.mkdir(parents=True, exist_ok=True)
        self._users = os.open(STORE / "engine.users", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
        self._cleanup.callback(os.close, self._users)
        fcntl.flock(self._users, fcntl.LOCK_SH)
        # Another run may have one, and may be about to start it.
        wait_until(lambda: engine.claim() or answers(self.url), START_TIMEOUT, f"an answer at {self.url}")
        self._engine = engine if engine.claim() else None
        os.environ["DOCKER_HOST"] = self.url
        self._cleanup.callback(os.environ.pop, "DOCKER_HOST", None)

    @property
    def ours(self) -> bool:
        return self._engine is not None

    def start(self) -> None:
        if self._engine is not None:
            self._engine.start()

    def stop(self) -> None:
        """Stop the Engine in mid-test; only if `ours`."""
        assert self._engine is not None, "this Engine is not ours to stop"
        self._engine.stop()

    def client(self) -> docker.DockerClient:
        """A new client; the caller closes it."""
        return docker.DockerClient(base_url=self.url, timeout=CLIENT_TIMEOUT)

    def __enter__(self) -> "Daemon":
        try:
            self.start()
        except BaseException:
            self._cleanup.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        with self._cleanup:
            if self._engine is not None and self._users is not None:
                # Other runs may still be using it.
                fcntl.flock(self._users, fcntl.LOCK_EX)
                self._engine.close()


def remove_project(client: docker.DockerClient, project: str) -> None:
    """Remove every container, network and volume with this project's label, or its name as a prefix."""
    for container in client.containers.list(all=True, ignore_removed=True):
        if _belongs(container.name or "", container.labels, project):
            with contextlib.suppress(docker.errors.NotFound):
                container.remove(v=True, force=True)
    for network in client.networks.list():
        if _belongs(network.name or "", network.attrs.get("Labels"), project):
            _remove_network(network)
    for volume in client.volumes.list():
        if _belongs(volume.name, volume.attrs.get("Labels"), project):
            with contextlib.suppress(docker.errors.NotFound):
                volume.remove(force=True)


def _belongs(name: str, labels: dict[str, str] | None, project: str) -> bool:
    return (labels or {}).get(LABEL) == project or name == project or name.startswith(f"{project}-")


def _remove_network(network: Network) -> None:
    with contextlib.suppress(docker.errors.NotFound):
        network.reload()
        for container in network.containers:
            network.disconnect(container, force=True)
        network.remove()


@contextlib.contextmanager
def project(daemon: Daemon) -> Iterator[str]:
    """A name for one test's containers, networks and volumes; all of them are gone at the end."""
    name = f"qz-test-{os.getpid()}-{secrets.token_hex(3)}"
    try:
        yield name
    finally:
        daemon.start()
        with contextlib.closing(daemon.client()) as client:
            remove_project(client, name)
