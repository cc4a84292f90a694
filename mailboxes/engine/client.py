"""The Docker edge, and the only module that imports docker: typed answers, typed errors, time limits."""

from __future__ import annotations

import ipaddress
import os
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import docker
from docker.context import ContextAPI
from docker.errors import APIError, DockerException, TLSParameterError
from docker.utils import kwargs_from_env
from urllib3.exceptions import HTTPError

from mailboxes.engine import bodies, failures, values
from mailboxes.engine.archives import Archives
from mailboxes.engine.commands import Commands
from mailboxes.engine.failures import (
    Refused,
    absent_is_an_error,
    absent_is_fine,
    check_our_volume,
    check_ours,
)
from mailboxes.engine.images import Images
from mailboxes.engine.logstream import Logs
from mailboxes.engine.spec import PROJECT_LABEL
from quazzar.errors import EngineTimeout, ImageUnavailable, NotThere

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mailboxes.engine.spec import ServiceSpec
    from mailboxes.engine.values import ContainerState, EngineInfo, NetworkState, PutFile

_DEFAULT_HOST = "unix:///var/run/docker.sock"
#: Seconds to wait until a container is really gone.
_REMOVAL = 20.0


class _Client(docker.APIClient):
    """docker-py's client with a time limit on every request and the certificates that it was configured with."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self.timeout
        # The requests library lets REQUESTS_CA_BUNDLE override a session's CA unless each request names one.
        kwargs.setdefault("verify", self.verify)
        return super().request(*args, **kwargs)


class Engine(Images, Commands, Archives, Logs):
    """The Docker Engine that DOCKER_HOST (with DOCKER_TLS_VERIFY, DOCKER_CERT_PATH) or Docker's context names.

    It connects on its first request. Removing something that does not exist is no error.

    Args:
        timeout: seconds that one answer of the Engine may take.

    Raises:
        EngineUnreachable: from every method: no Engine answers, or it does not accept us.
        EngineTimeout: from every method: the answer took too long.
        StackError: from every method: the Engine refused for a reason without a class of its own.
    """

    def __init__(self, timeout: float = 30.0) -> None:
        self._timeout = timeout
        self._clients: dict[float, _Client] = {}
        self._where = ""
        #: Names of containers that were found to be ours.
        self._checked: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections to the Docker Engine; the next request opens new ones."""
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
        connected = next(iter(self._clients.values()), None)
        self._where = _shown(os.environ.get("DOCKER_HOST") or _DEFAULT_HOST)
        try:
            options: dict[str, Any] = {**kwargs_from_env()}
            if "base_url" not in options:
                options |= {k: v for k, v in ContextAPI.kwargs_from_context().items() if k not in options}
            self._where = _shown(options.get("base_url") or _DEFAULT_HOST)
            # Without a version, docker-py asks the Engine for its own.
            return _Client(
                **options,
                timeout=seconds,  # type: ignore[arg-type]  # a float will do
                version=connected.api_version if connected else None,
            )
        except TLSParameterError as exc:
            raise failures.tls_failed(self._where, "the certificate files do not exist") from exc
        except (DockerException, HTTPError, OSError, ValueError) as exc:
            raise failures.no_answer(exc, self._where, connecting=True) from exc

    @contextmanager
    def _asking(self, act: str) -> Iterator[None]:
        try:
            yield
        except APIError as exc:
            raise Refused(act, exc.status_code or 0, str(exc.explanation or exc)) from exc
        except (DockerException, HTTPError, OSError, ValueError) as exc:
            raise failures.no_answer(exc, self._where) from exc

    def info(self) -> EngineInfo:
        """The Engine and the machine that it runs on."""
        client = self._client()
        with self._asking("describe itself"):
            answer = client.info()
        is_local = _is_local(self._where, answer.get("Name", ""))
        return values.info(answer, client.api_version, is_local=is_local)

    # --- networks and volumes ------------------------------------------------------------------------------
    def network(self, name: str) -> NetworkState | None:
        """The network of that name, or None."""
        answer = self._network(name)
        return values.network(answer) if answer else None

    def _network(self, name: str) -> dict[str, Any] | None:
        client = self._client()
        with self._asking(f"show the network {name}"):
            # The Engine's filter also matches names that only contain this one.
            return next((row for row in client.networks(names=[name]) if row["Name"] == name), None)

    def ensure_network(self, name: str, labels: Mapping[str, str]) -> NetworkState:
        """The network of that name; creates it if there is none.

        Raises:
            NameTaken: it exists and does not belong to this project.
        """
        client, answer = self._client(), self._network(name)
        if answer is None:
            with self._asking(f"create the network {name}"):
                client.create_network(name, driver="bridge", labels=dict(labels), check_duplicate=True)
            answer = self._network(name)
        if answer is None:
            raise NotThere(f"The network {name} was removed while it was being created.")
        check_ours("network", name, answer["Labels"], labels)
        return values.network(answer)

    def remove_network(self, name: str) -> None:
        """Removes the network.

        Raises:
            NameTaken: it does not belong to us.
            NetworkInUse: containers are connected to it.
        """
        client, answer = self._client(), self._network(name)
        if answer is None:
            return
        check_ours("network", name, answer["Labels"])
        with absent_is_fine(), self._asking(f"show the network {name}"):
            connected = client.inspect_network(name)["Containers"] or {}
            if connected:
                raise failures.network_in_use(name, sorted(row["Name"] for row in connected.values()))
        with absent_is_fine(), self._asking(f"remove the network {name}"):
            client.remove_network(name)

    def volumes(self, project: str) -> set[str]:
        """Names of the project's volumes, and of volumes without any label whose names begin as its do."""
        client = self._client()
        with self._asking("list volumes"):
            answer = client.volumes()
        return {
            volume["Name"]
            for volume in answer["Volumes"] or []
            if values.is_volume_of(project, volume["Name"], volume["Labels"])
        }

    def ensure_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Creates the volume if there is none of that name; one without labels was restored, and is ours.

        Raises:
            NameTaken: it exists and has someone else's labels.
        """
        client = self._client()
        with self._asking(f"create the volume {name}"):
            # For a volume that exists the Engine answers with that one, unchanged.
            answer = client.create_volume(name, labels=dict(labels))
        check_our_volume(name, answer["Labels"], labels)

    def remove_volume(self, name: str) -> None:
        """Removes the volume with everything in it.

        Raises:
            NameTaken: it has someone else's labels.
        """
        client = self._client()
        with absent_is_fine(), self._asking(f"remove the volume {name}"):
            check_our_volume(name, client.inspect_volume(name)["Labels"])
            client.remove_volume(name)

    # --- containers ----------------------------------------------------------------------------------------
    def containers(self, project: str) -> dict[str, ContainerState]:
        """Service → the project's container, running or not."""
        client, states = self._client(), []
        with self._asking("list containers"):
            rows = client.containers(all=True, filters=_labelled(project))
        for row in rows:
            with absent_is_fine(), self._asking("show a container"):  # it may have been removed since
                # By name, so that a proxy before the socket can tell our containers from others.
                states.append(
                    values.container(client.inspect_container((row["Names"] or [row["Id"]])[0].lstrip("/")))
                )
        return values.by_service(project, states)

    def create(self, spec: ServiceSpec) -> str:
        """Creates a container without starting it, and returns its id.

        Raises:
            ImageUnavailable: the Engine does not have its image.
            NameTaken: a container of that name exists.
        """
        client = self._client()
        try:
            with self._asking(f"create the container {spec.name}"):
                answer = client.create_container_from_config(bodies.container(spec), spec.name)
        except Refused as exc:
            if exc.status == 409:
                raise failures.name_taken("container", spec.name) from exc
            if exc.status != 404:
                raise
            if "no such image" not in exc.text.lower():
                raise NotThere(f"{spec.name} cannot be created: {failures.brief(exc.text)}.") from exc
            raise ImageUnavailable(
                f"The image {spec.image} is not on the Docker host.",
                hint=f"Fetch it: docker pull {spec.image}",
            ) from exc
        return str(answer["Id"])

    def put(self, name: str, files: Sequence[PutFile]) -> None:
        """Writes files into a container, running or not. Paths inside a mounted volume are written to the volume.

        Raises:
            NotThere: there is no such container.
        """
        client = self._client()
        self._check_container(name)
        with absent_is_an_error(name), self._asking(f"write files into {name}"):
            client.put_archive(name, "/", bodies.archive(files, int(time.time())))

    def start(self, name: str) -> None:
        """Starts the container; does nothing if it is running.

        If the Engine refuses, the container stays as it was.

        Raises:
            NotThere: there is no such container.
            PortTaken: one of its ports is in use.
        """
        client = self._client()
        self._check_container(name)
        try:
            with absent_is_an_error(name), self._asking(f"start {name}"):
                client.start(name)
        except Refused as exc:
            port = failures.port_in_use(exc.text)
            if port is None:
                raise
            raise failures.port_taken(port, name, self.publisher(port) if port else "") from exc

    def stop(self, name: str, timeout: int = 10) -> None:
        """Stops the container, and kills it if it has not exited after ``timeout`` seconds.

        Raises:
            NotThere: there is no such container.
        """
        client = self._client()
        self._check_container(name)
        with absent_is_an_error(name), self._asking(f"stop {name}"):
            client.stop(name, timeout=timeout)  # docker-py adds it to its own time limit

    def restart(self, name: str, timeout: int = 10) -> None:
        """Stops the container, as ``stop`` does, and starts it again.

        Raises:
            NotThere: there is no such container.
        """
        client = self._client()
        self._check_container(name)
        with absent_is_an_error(name), self._asking(f"restart {name}"):
            client.restart(name, timeout=timeout)

    def _check_container(self, name: str) -> None:
        """Checks once per object that the container is ours; a missing container is left to the caller.

        Raises:
            NameTaken: it does not belong to us.
        """
        if name in self._checked:
            return
        client = self._client()
        with absent_is_fine(), self._asking(f"show the container {name}"):
            check_ours("container", name, client.inspect_container(name)["Config"]["Labels"])
            self._checked.add(name)

    def remove(self, name: str) -> None:
        """Removes the container, running or not, with its anonymous volumes, and waits until it is gone.

        Raises:
            NameTaken: it does not belong to us.
        """
        client, deadline = self._client(), time.monotonic() + _REMOVAL
        self._checked.discard(name)
        with absent_is_fine():
            with self._asking(f"remove {name}"):
                check_ours("container", name, client.inspect_container(name)["Config"]["Labels"])
            try:
                with self._asking(f"remove {name}"):
                    client.remove_container(name, v=True, force=True)
            except Refused as exc:
                if exc.status != 409:  # it is being removed already
                    raise
            while time.monotonic() < deadline:
                with self._asking(f"remove {name}"):
                    client.inspect_container(name)
                time.sleep(0.05)
            raise EngineTimeout(f"The container {name} was not removed within {_REMOVAL:.0f} seconds.")

    def logs(self, name: str, tail: int) -> str:
        """The last ``tail`` lines that the container wrote to standard output and error.

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
        for container in running:
            if any(_publishes(port, published) for published in container["Ports"] or []):
                return str(container["Names"][0]).lstrip("/")
        return ""


def _publishes(port: int, published: Mapping[str, Any]) -> bool:
    return published.get("PublicPort") == port and published.get("Type") == "tcp"


def _labelled(project: str) -> dict[str, str]:
    return {"label": f"{PROJECT_LABEL}={project}"}


def _shown(url: str) -> str:
    """The Engine's URL without the user name and password that may stand before its @."""
    scheme, slashes, rest = url.partition("://")
    return f"{scheme.removeprefix('http+')}{slashes}{rest.rpartition('@')[2]}"


def _is_local(where: str, host_name: str) -> bool:
    """Whether it is a socket of this machine, or its loopback address unless that is a tunnel to another machine."""
    if where.startswith("unix:"):
        return True
    host = urlsplit(where).hostname or ""
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
    return loopback and host_name == socket.gethostname()
