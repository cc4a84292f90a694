"""The single checks before the stack is enabled: each looks at one thing and says what to do about it."""

from __future__ import annotations

import os
import shutil
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Literal

from mailboxes.stack.preflight import ports as portholders
from quazzar import words
from quazzar.errors import EngineTimeout, EngineUnreachable, StackError

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine
    from mailboxes.engine.values import EngineInfo
    from mailboxes.stack.blueprint.services import Options

Severity = Literal["error", "warning"]
_GIB = 1024**3
_RSPAMD_WEB = 11334


@dataclass(frozen=True, slots=True)
class Check:
    """What a check found.

    Attributes:
        severity: how much it matters when it is not ok: an error keeps the stack from starting, a warning does not.
    """

    id: str
    ok: bool
    severity: Severity
    message: str
    hint: str = ""


class Machine:
    """Where the stack would stand. The Docker Engine is asked about itself once, for all checks."""

    def __init__(self, hostname: str, engine: Engine, options: Options, seconds: float) -> None:
        self.hostname = hostname
        self.engine = engine
        self.options = options
        self._until = time.monotonic() + seconds
        self._info: Future[EngineInfo] = Future()
        Thread(target=self._ask, name="preflight-engine", daemon=True).start()

    def _ask(self) -> None:
        try:
            self._info.set_result(self.engine.info())
        except (StackError, OSError) as exc:
            self._info.set_exception(exc)
        finally:
            if not self._info.done():
                # Nobody waits for an answer that will not come.
                self._info.set_exception(EngineUnreachable())

    @property
    def left(self) -> float:
        """Seconds that a check may still take."""
        return max(0.1, self._until - time.monotonic())

    def info(self) -> EngineInfo:
        """What the engine says of itself.

        Raises:
            StackError: it does not answer, or not in time.
        """
        try:
            # Half of the time: whoever can do without Docker still has the other half.
            return self._info.result(self.left / 2)
        except FutureTimeout as exc:
            raise EngineTimeout("The Docker Engine does not answer in time.") from exc
        except OSError as exc:
            raise EngineUnreachable from exc

    @property
    def is_local(self) -> bool:
        """Whether the engine runs on this machine; when it does not answer, DOCKER_HOST tells."""
        try:
            return self.info().is_local
        except StackError:
            host = os.environ.get("DOCKER_HOST", "")
            return not host or host.startswith("unix://")

    def publisher(self, port: int) -> str:
        """The container that publishes the port; empty when there is none, or nobody to ask."""
        try:
            self.info()
            return self.engine.publisher(port)
        except StackError:
            return ""


# --- Docker ------------------------------------------------------------------------------------------------
def docker(machine: Machine) -> Check:
    """Whether an engine answers, and which."""
    try:
        info = machine.info()
    except StackError as exc:
        return Check("docker", False, "error", exc.message, exc.hint or EngineUnreachable.hint)
    which = f"Docker Engine {info.version} (API {info.api_version}, {info.os}, {info.architecture})"
    if info.rootless and machine.options.port_offset + 25 < 1024:
        return Check(
            "docker", False, "warning", f"{which} runs rootless, which as a rule may not publish ports below 1024.",
            "Set net.ipv4.ip_unprivileged_port_start=25 with sysctl, or use QUAZZAR_STACK_PORT_OFFSET.",
        )  # fmt: skip
    return Check("docker", True, "error", f"{which} answers.")


def image(machine: Machine, service: str) -> Check:
    """Whether the image is here, or can be fetched."""
    name, ref = f"image_{service}", machine.options.images[service]
    try:
        machine.info()
        if machine.engine.image_id(ref) is not None:
            return Check(name, True, "error", f"The image {ref} is here.")
        if machine.engine.pullable(ref):
            return Check(name, True, "error", f"The image {ref} will be fetched.")
    except StackError as exc:
        return Check(
            name, False, "error", f"Whether the image {ref} can be had is not known: {exc.message}", exc.hint
        )
    return Check(
        name, False, "error", f"The image {ref} is not here and cannot be fetched.",
        f"See that this machine reaches the registry, and that QUAZZAR_IMAGE_{service.upper()} is right.",
    )  # fmt: skip


# --- ports -------------------------------------------------------------------------------------------------
def port(machine: Machine, standard: int) -> Check:
    """Whether the port is free, and who holds it if not."""
    name, number = f"port_{standard}", standard + machine.options.port_offset
    if number > 65535:
        return Check(
            name, False, "error", f"There is no port {number}.", "Choose a smaller QUAZZAR_STACK_PORT_OFFSET."
        )
    container = machine.publisher(number)
    if container.removeprefix(f"{machine.options.project}-") in machine.options.images:
        return Check(name, True, "error", f"Port {number} is held by this stack itself ({container}).")
    if container:
        return Check(
            name, False, "error", f"Port {number} is already published by the container {container}.",
            f"Stop it (docker stop {container}), or choose other ports (QUAZZAR_STACK_PORT_OFFSET).",
        )  # fmt: skip
    if not machine.is_local:
        return Check(
            name, True, "warning", f"No container on the Docker host publishes port {number}; "
            "whether a program there holds it cannot be seen from here.",
        )  # fmt: skip
    bind = "127.0.0.1" if standard == _RSPAMD_WEB else machine.options.bind
    found = portholders.obstacle(number, bind, standard)
    if found:
        return Check(name, False, "error", found.message, found.hint)
    return Check(name, True, "error", f"Port {number} is free.")


# --- room --------------------------------------------------------------------------------------------------
def disk(machine: Machine) -> Check:
    """Whether there is room for images and mail."""
    if not machine.is_local:
        return Check("disk", True, "warning", "The disk of the Docker host cannot be seen from here.")
    root = _docker_root(machine)
    free = shutil.disk_usage(root).free
    message = f"{words.size(free)} are free on the disk of {root}."
    if free >= 5 * _GIB:
        return Check("disk", True, "error", message)
    severity: Severity = "error" if free < _GIB else "warning"
    return Check(
        "disk", False, severity, message, "Make room: images take about 1 GiB, and mail comes on top."
    )


def _docker_root(machine: Machine) -> Path:
    try:
        root = Path(machine.info().disk_root or "/var/lib/docker")
    except StackError:
        root = Path("/var/lib/docker")
    return next(each for each in (root, *root.parents) if each.exists())


def memory(machine: Machine) -> Check:
    """Whether there is memory for three mail servers."""
    if machine.is_local:
        available, word = _available_memory(), "available"
    else:
        available, word = machine.info().memory_bytes, "built into the Docker host"
    message = f"{words.size(available)} of memory are {word}."
    if available >= _GIB:
        return Check("memory", True, "error", message)
    severity: Severity = "error" if available < _GIB // 4 else "warning"
    return Check(
        "memory", False, severity, message, "Rspamd alone takes about 300 MiB; stop something, or add memory."
    )


def _available_memory() -> int:
    rows = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return next(int(row[1]) for row in rows if row[0] == "MemAvailable:") * 1024
