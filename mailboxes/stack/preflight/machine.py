"""The preflight checks of Docker and its machine: the Engine, images, ports, disk and memory."""

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

from mailboxes.provisioning.foreignhashes import MOST_MEMORY_KIB
from mailboxes.provisioning.passwords import MEMORY_KIB
from mailboxes.stack.preflight import ports
from quazzar import words
from quazzar.errors import EngineTimeout, EngineUnreachable, StackError

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine
    from mailboxes.engine.values import EngineInfo
    from mailboxes.stack.blueprint.services import Options

Severity = Literal["error", "warning"]
_GIB = 1024**3
_RSPAMD_WEB = 11334
#: How many passwords Dovecot checks in parallel: auth-worker's process_limit in its configuration.
LOGINS_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Attributes:
        severity: what it means if the check is not ok: an error keeps the stack from starting, a warning does not.
        tried: False if the check was not run, for example because it is switched off; then ``ok`` means nothing.
    """

    id: str
    ok: bool
    severity: Severity
    message: str
    hint: str = ""
    tried: bool = True


def passed(name: str, message: str, severity: Severity = "error") -> Check:
    """A check that is ok."""
    return Check(name, True, severity, message)


def error(name: str, message: str, hint: str = "") -> Check:
    """A check that keeps the stack from starting."""
    return Check(name, False, "error", message, hint)


def warning(name: str, message: str, hint: str = "") -> Check:
    """A check that is not ok, and does not keep the stack from starting."""
    return Check(name, False, "warning", message, hint)


class Machine:
    """The machine that the stack would run on. It asks the Docker Engine about itself once, for all checks.

    Args:
        seconds: time for all checks together.
    """

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
                # After any other exception the checks must not wait for an answer that never comes.
                self._info.set_exception(EngineUnreachable())

    @property
    def left(self) -> float:
        """Seconds that a check may still take."""
        return max(0.1, self._until - time.monotonic())

    def info(self) -> EngineInfo:
        """What the Engine says about itself.

        Raises:
            StackError: the Engine does not answer in time.
        """
        try:
            # Half of the time, so that a check that can do without Docker still has the other half.
            return self._info.result(self.left / 2)
        except FutureTimeout as exc:
            raise EngineTimeout("The Docker Engine does not answer in time.") from exc
        except OSError as exc:
            raise EngineUnreachable from exc

    @property
    def is_local(self) -> bool:
        """Whether the Engine runs on this machine; if it does not answer, DOCKER_HOST decides."""
        try:
            return self.info().is_local
        except StackError:
            host = os.environ.get("DOCKER_HOST", "")
            return not host or host.startswith("unix://")

    def publisher(self, port: int) -> str:
        """The container that publishes the port; empty if there is none, or the Engine does not answer."""
        try:
            self.info()
            return self.engine.publisher(port)
        except StackError:
            return ""


# --- Docker ------------------------------------------------------------------------------------------------
def check_docker(machine: Machine) -> Check:
    """Whether a Docker Engine answers, and may publish our ports."""
    try:
        info = machine.info()
    except StackError as exc:
        return error("docker", exc.message, exc.hint or EngineUnreachable.hint)
    engine = f"Docker Engine {info.version} (API {info.api_version}, {info.os}, {info.architecture})"
    if info.rootless and machine.options.port_offset + 25 < 1024:
        return warning(
            "docker",
            f"{engine} runs rootless, which normally cannot publish ports below 1024.",
            "Set net.ipv4.ip_unprivileged_port_start=25 with sysctl, or use QUAZZAR_STACK_PORT_OFFSET.",
        )
    return passed("docker", f"{engine} answers.")


def check_image(machine: Machine, service: str) -> Check:
    """Whether the Engine has the image, or can fetch it."""
    name, ref = f"image_{service}", machine.options.images[service]
    try:
        machine.info()
        if machine.engine.image_id(ref) is not None:
            return passed(name, f"The image {ref} is already on the Docker host.")
        if machine.engine.pullable(ref):
            return passed(name, f"The image {ref} will be fetched.")
    except StackError as exc:
        return error(name, f"Could not check whether the image {ref} is available: {exc.message}", exc.hint)
    return error(
        name,
        f"The image {ref} is not on the Docker host and cannot be fetched.",
        f"Check that this machine can reach the registry, and that QUAZZAR_IMAGE_{service.upper()} is "
        "correct.",
    )


# --- ports -------------------------------------------------------------------------------------------------
def check_port(machine: Machine, standard: int) -> Check:
    """Whether the port is free, and what holds it if not.

    Args:
        standard: the port without QUAZZAR_STACK_PORT_OFFSET.
    """
    name, number = f"port_{standard}", standard + machine.options.port_offset
    if number > 65535:
        return error(
            name, f"The port {number} does not exist.", "Choose a smaller QUAZZAR_STACK_PORT_OFFSET."
        )
    container = machine.publisher(number)
    if container.removeprefix(f"{machine.options.project}-") in machine.options.images:
        return passed(name, f"Port {number} is already published by this mail server ({container}).")
    if container:
        return error(
            name,
            f"Port {number} is already published by the container {container}.",
            f"Stop it (docker stop {container}), or choose other ports (QUAZZAR_STACK_PORT_OFFSET).",
        )
    if not machine.is_local:
        return passed(
            name,
            f"No container on the Docker host publishes port {number}. Whether another program there uses "
            "it cannot be checked from here.",
            "warning",
        )
    bind = "127.0.0.1" if standard == _RSPAMD_WEB else machine.options.bind
    if obstacle := ports.obstacle(number, bind, standard):
        return error(name, obstacle.message, obstacle.hint)
    return passed(name, f"Port {number} is free.")


# --- disk and memory ---------------------------------------------------------------------------------------
def check_disk(machine: Machine) -> Check:
    """Whether there is room for images and mail."""
    if not machine.is_local:
        return passed("disk", "The Docker host's disk cannot be checked from here.", "warning")
    root = _docker_root(machine)
    free = shutil.disk_usage(root).free
    message = f"{words.size(free)} free on the disk of {root}."
    if free >= 5 * _GIB:
        return passed("disk", message)
    hint = "Free some space: images take about 1 GiB, plus the space for your mail."
    return error("disk", message, hint) if free < _GIB else warning("disk", message, hint)


def _docker_root(machine: Machine) -> Path:
    try:
        root = Path(machine.info().disk_root or "/var/lib/docker")
    except StackError:
        root = Path("/var/lib/docker")
    return next(path for path in (root, *root.parents) if path.exists())


def check_memory(machine: Machine) -> Check:
    """Whether there is memory for three mail servers."""
    if machine.is_local:
        available, where = _available_memory(), "available"
    else:
        available, where = machine.info().memory_bytes, "built into the Docker host"
    usual, most = (words.size(LOGINS_AT_ONCE * kib * 1024) for kib in (MEMORY_KIB, MOST_MEMORY_KIB))
    message = (
        f"{words.size(available)} of memory {where}. {LOGINS_AT_ONCE} simultaneous sign-ins need {usual} "
        f"to check their passwords, and up to {most} if you import hashes from other systems."
    )
    if available >= _GIB:
        return passed("memory", message)
    hint = "Rspamd alone needs about 300 MiB. Stop other programs, or add memory."
    return error("memory", message, hint) if available < _GIB // 4 else warning("memory", message, hint)


def _available_memory() -> int:
    rows = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return next(int(row[1]) for row in rows if row[0] == "MemAvailable:") * 1024
