"""The Docker edge, and the only module that imports docker: typed answers, typed errors, a time limit on everything."""

from __future__ import annotations

import ipaddress
import os
import socket
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import docker
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, TLSParameterError
from docker.utils import kwargs_from_env
from urllib3.exceptions import HTTPError

from mailboxes.engine import bodies as enginerequests
from mailboxes.engine import failures as enginefailures
from mailboxes.engine import values as enginetypes
from mailboxes.engine.commands import Commands
from mailboxes.engine.failures import Refused, absent_is_an_error, absent_is_fine, check_ours
from mailboxes.engine.pull import PullProgress
from mailboxes.engine.spec import PROJECT_LABEL
from mailboxes.engine.values import ContainerState, EngineInfo, NetworkState, PutFile, Result
from quazzar.errors import EngineTimeout, ImageUnavailable, NotThere

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mailboxes.engine.spec import ServiceSpec

__all__ = ["ContainerState", "Engine", "EngineInfo", "NetworkState", "PutFile", "Result"]

_DEFAULT_HOST = "unix:///var/run/docker.sock"
#: Seconds without a word from the engine while it fetches an image.
_PULL_SILENCE = 120.0
#: Seconds in which a registry must say whether it has an image.
_REGISTRY = 8.0
#: Seconds for a removal that is under way already.
_REMOVAL = 20.0


class _Client(docker.APIClient):
    """docker-py, with nothing that waits for ever and with the certificates that it was told to use."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self.timeout
        # requests lets REQUESTS_CA_BUNDLE override a session's own authority unless each request names it.
        kwargs.setdefault("verify", self.verify)
        return super().request(*args, **kwargs)


class Engine(Commands):
    """The Docker Engine that DOCKER_HOST (with DOCKER_TLS_VERIFY, DOCKER_CERT_PATH) or Docker's context names.

    Connects when it is first asked something. Removing what is not there is no error.

    Args:
        timeout: seconds for one answer of the engine.

    Raises:
        EngineUnreachable: from every method: nobody answers, or not to us.
        EngineTimeout: from every method: the answer took too long.
        StackError: from every method: the engine refused for a reason that has no class of its own.
    """

    def __init__(self, timeout: float = 30.0) -> None:
        self._timeout = timeout
        self._clients: dict[float, _Client] = {}
        self._where = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Hangs up."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    # --- asking --------------------------------------------------------------------------------------------
    def _client(self, timeout: float = 0) -> Any:
        seconds = timeout or self._timeout
        if seconds not in self._clients:
            self._clients[seconds] = self._connected(seconds)
        return self._clients[seconds]

    def _connected(self, seconds: float) -> _Client:
        known = next(iter(self._clients.values()), None)
        self._where = _shown(os.environ.get("DOCKER_HOST") or _DEFAULT_HOST)
        try:
            options: dict[str, Any] = {**kwargs_from_env()}
            if "base_url" not in options:
                options |= {k: v for k, v in ContextAPI.kwargs_from_context().items() if k not in options}
            self._where = _shown(options.get("base_url") or _DEFAULT_HOST)
            # Without a version the engine is asked for its own.
            return _Client(
                **options,
                timeout=seconds,  # type: ignore[arg-type]  # a float will do
                version=known.api_version if known else None,
            )
        except TLSParameterError as exc:
            raise enginefailures.no_tls(self._where, "the certificate files are not there") from exc
        except (DockerException, HTTPError, OSError, ValueError) as exc:
            raise enginefailures.lost(exc, self._where, connecting=True) from exc

    @contextmanager
    def _asking(self, act: str) -> Iterator[None]:
        """What the libraries raise becomes one of ours; ``act`` completes "Docker would not …"."""
        try:
            yield
        except APIError as exc:
            raise Refused(act, exc.status_code or 0, str(exc.explanation or exc)) from exc
        except (DockerException, HTTPError, OSError, ValueError) as exc:
            raise enginefailures.lost(exc, self._where) from exc

    def info(self) -> EngineInfo:
        """The engine and its machine."""
        client = self._client()
        with self._asking("tell about itself"):
            answer = client.info()
        is_local = _is_local(self._where, answer.get("Name", ""))
        return enginetypes.info(answer, client.api_version, is_local=is_local)

    # --- images --------------------------------------------------------------------------------------------
    def image_id(self, ref: str) -> str | None:
        """The id of an image that is here, or None."""
        client = self._client()
        with absent_is_fine(), self._asking(f"show the image {ref}"):
            return str(client.inspect_image(ref)["Id"])
        return None

    def pullable(self, ref: str) -> bool:
        """Whether the image's registry answers, soon, and has it for us."""
        client = self._client(_REGISTRY)
        try:
            with self._asking(f"look for the image {ref}"):
                client.inspect_distribution(ref)
        except (Refused, EngineTimeout):  # not there; or the engine itself still waits for the registry
            return False
        return True

    def pull(self, ref: str, progress: Callable[[int, str], None]) -> None:
        """Fetches an image; ``progress`` gets a percent (0 to 100, never falling) and a sentence.

        Raises:
            ImageUnavailable: it does not exist, is not for us, or its registry cannot be reached.
        """
        teller = PullProgress(ref, progress)
        teller.start()
        client = self._client(_PULL_SILENCE)
        with self._fetching(ref):
            events = client.pull(ref, stream=True, decode=True)
        with closing(events):  # what ``progress`` raises ends the fetching
            while (event := self._next(ref, events)) is not None:
                if "error" in event:
                    raise enginefailures.image(ref, event["error"])
                teller.take(event)
        if self.image_id(ref) is None:
            raise enginefailures.image(ref, "it is not here after it was fetched")
        teller.done()

    @contextmanager
    def _fetching(self, ref: str) -> Iterator[None]:
        try:
            with self._asking(f"fetch {ref}"):
                yield
        except Refused as exc:
            raise enginefailures.image(ref, exc.text) from exc

    def _next(self, ref: str, events: Any) -> dict[str, Any] | None:
        with self._fetching(ref):
            return next(events, None)

    # --- networks and volumes ------------------------------------------------------------------------------
    def network(self, name: str) -> NetworkState | None:
        """The network of that name, or None."""
        found = self._network(name)
        return enginetypes.network(found) if found else None

    def _network(self, name: str) -> dict[str, Any] | None:
        client = self._client()
        with self._asking(f"show the network {name}"):
            # The engine's filter also finds names that only contain it.
            return next((each for each in client.networks(names=[name]) if each["Name"] == name), None)

    def ensure_network(self, name: str, labels: Mapping[str, str]) -> NetworkState:
        """The network of that name, made when there is none.

        Raises:
            NameTaken: there is one that is not this project's.
        """
        client, found = self._client(), self._network(name)
        if found is None:
            with self._asking(f"make the network {name}"):
                client.create_network(name, driver="bridge", labels=dict(labels), check_duplicate=True)
            found = self._network(name)
        if found is None:
            raise NotThere(f"The network {name} went away while it was made.")
        check_ours("network", name, found["Labels"], labels)
        return enginetypes.network(found)

    def remove_network(self, name: str) -> None:
        """Removes it.

        Raises:
            NameTaken: it is not ours.
        """
        client, found = self._client(), self._network(name)
        if found is None:
            return
        check_ours("network", name, found["Labels"])
        with absent_is_fine(), self._asking(f"remove the network {name}"):
            client.remove_network(found["Id"])

    def volumes(self, project: str) -> set[str]:
        """Names of the project's volumes."""
        client = self._client()
        with self._asking("list volumes"):
            answer = client.volumes(filters=_of(project))
        return {each["Name"] for each in answer["Volumes"] or []}

    def ensure_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Makes it unless it is there.

        Raises:
            NameTaken: there is one that is not this project's.
        """
        client = self._client()
        with self._asking(f"make the volume {name}"):
            # One that is there already is answered as it is.
            found = client.create_volume(name, labels=dict(labels))
        check_ours("volume", name, found["Labels"], labels)

    def remove_volume(self, name: str) -> None:
        """Removes it with all that is in it.

        Raises:
            NameTaken: it is not ours.
        """
        client = self._client()
        with absent_is_fine(), self._asking(f"remove the volume {name}"):
            check_ours("volume", name, client.inspect_volume(name)["Labels"])
            client.remove_volume(name)

    # --- containers ----------------------------------------------------------------------------------------
    def containers(self, project: str) -> dict[str, ContainerState]:
        """Service → the project's container, running or not."""
        client, found = self._client(), []
        with self._asking("list containers"):
            listed = client.containers(all=True, filters=_of(project))
        for each in listed:
            with absent_is_fine(), self._asking("show a container"):  # it may be gone since
                found.append(enginetypes.container(client.inspect_container(each["Id"])))
        return enginetypes.by_service(project, found)

    def create(self, spec: ServiceSpec) -> str:
        """Makes a container, without starting it. Returns its id.

        Raises:
            ImageUnavailable: its image is not here.
            NameTaken: there is a container of that name.
        """
        client = self._client()
        try:
            with self._asking(f"create the container {spec.name}"):
                made = client.create_container_from_config(enginerequests.container(spec), spec.name)
        except Refused as exc:
            if exc.status == 409:
                raise enginefailures.name_taken("container", spec.name) from exc
            if exc.status != 404:
                raise
            if "no such image" not in exc.text.lower():
                raise NotThere(f"{spec.name} cannot be created: {enginefailures.brief(exc.text)}.") from exc
            raise ImageUnavailable(
                f"The image {spec.image} is not on Docker's machine.",
                hint=f"Fetch it: docker pull {spec.image}",
            ) from exc
        return str(made["Id"])

    def put(self, name: str, files: Sequence[PutFile]) -> None:
        """Writes files into a container, started or not; what lies in a volume lands in the volume.

        Raises:
            NotThere: there is no such container.
        """
        client = self._client()
        with absent_is_an_error(name), self._asking(f"write files into {name}"):
            client.put_archive(name, "/", enginerequests.archive(files, int(time.time())))

    def start(self, name: str) -> None:
        """Starts it; one that runs goes on. Refused, it stays as it was: the caller decides what becomes of it.

        Raises:
            NotThere: there is no such container.
            PortTaken: something else listens on one of its ports.
        """
        client = self._client()
        try:
            with absent_is_an_error(name), self._asking(f"start {name}"):
                client.start(name)
        except Refused as exc:
            port = enginefailures.port(exc.text)
            if port is None:
                raise
            raise enginefailures.port_taken(port, name, self.publisher(port) if port else "") from exc

    def stop(self, name: str, timeout: int = 10) -> None:
        """Stops it; killed when it has not ended after ``timeout`` seconds.

        Raises:
            NotThere: there is no such container.
        """
        client = self._client()
        with absent_is_an_error(name), self._asking(f"stop {name}"):
            client.stop(name, timeout=timeout)  # docker-py adds it to its own time limit

    def restart(self, name: str, timeout: int = 10) -> None:
        """Stops and starts it.

        Raises:
            NotThere: there is no such container.
        """
        client = self._client()
        with absent_is_an_error(name), self._asking(f"restart {name}"):
            client.restart(name, timeout=timeout)

    def remove(self, name: str) -> None:
        """Removes it, running or not, with its nameless volumes, and waits until it is gone.

        Raises:
            NameTaken: it is not ours.
        """
        client, deadline = self._client(), time.monotonic() + _REMOVAL
        with absent_is_fine():
            with self._asking(f"remove {name}"):
                check_ours("container", name, client.inspect_container(name)["Config"]["Labels"])
            try:
                with self._asking(f"remove {name}"):
                    client.remove_container(name, v=True, force=True)
            except Refused as exc:
                if exc.status != 409:  # somebody else is removing it
                    raise
            while time.monotonic() < deadline:
                with self._asking(f"remove {name}"):
                    client.inspect_container(name)
                time.sleep(0.05)
            raise EngineTimeout(f"The container {name} was not removed within {_REMOVAL:.0f} seconds.")

    def logs(self, name: str, tail: int) -> str:
        """The last lines that it wrote, standard output and error as they came.

        Raises:
            NotThere: there is no such container.
        """
        client = self._client()
        with absent_is_an_error(name), self._asking(f"show the log of {name}"):
            return str(client.logs(name, tail=tail), errors="replace")

    def publisher(self, port: int) -> str:
        """The container that publishes this TCP port on the host, or empty."""
        client = self._client()
        with self._asking("list containers"):
            running = client.containers()
        for each in running:
            if any(_publishes(port, published) for published in each["Ports"] or []):
                return str(each["Names"][0]).lstrip("/")
        return ""


def _publishes(port: int, published: Mapping[str, Any]) -> bool:
    return published.get("PublicPort") == port and published.get("Type") == "tcp"


def _of(project: str) -> dict[str, str]:
    return {"label": f"{PROJECT_LABEL}={project}"}


def _shown(url: str) -> str:
    """Where the engine is, without what somebody may have put before the @."""
    scheme, slashes, rest = url.partition("://")
    return f"{scheme.removeprefix('http+')}{slashes}{rest.rpartition('@')[2]}"


def _is_local(where: str, host_name: str) -> bool:
    """A socket of this machine; or its loopback address, unless that is a tunnel to another."""
    if where.startswith("unix:"):
        return True
    host = urlsplit(where).hostname or ""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
    return loopback and host_name == socket.gethostname()
