"""Turns what goes wrong at the Docker Engine into typed errors with a sentence and a hint. Pure."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mailboxes.engine.spec import PROJECT_LABEL
from quazzar import tlsfailures
from quazzar.errors import (
    CommandFailed,
    EngineTimeout,
    EngineUnreachable,
    ImageUnavailable,
    NameTaken,
    NetworkInUse,
    NotRunning,
    NotThere,
    PortTaken,
    StackError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mailboxes.engine.values import Result

#: The port in the Engine's message when it cannot publish one; the wording differs between its versions.
_PORT = re.compile(r"(?:Bind for|listen \w+|failed to bind host port(?: for)?) \S*?:(\d+)[\s:/]")
_PORT_IN_USE = ("address already in use", "port is already allocated")
_LONGEST = 300
#: A user name and password before the @ of a URL.
_CREDENTIALS = re.compile(r"://[^/@\s]+@")
_INSTALL = "Install and start Docker, or set DOCKER_HOST."
_BUSY = "The machine may be busy. Quazzar will try again."
_NEXT_CHECK = "The next check of the mail server creates it again."


def causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and all exceptions below it; each library keeps the operating system's in another place."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop(0)
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]


def no_answer(error: BaseException, where: str, *, connecting: bool = False) -> StackError:
    """The error for an Engine that could not be asked, or did not answer.

    Args:
        error: what Docker's library raised.
        where: URL of the Engine, without credentials.
        connecting: it was raised while connecting, so a timeout means that nobody listens there.
    """
    below = list(causes(error))

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in below)

    if "redentials store" in str(error):
        return StackError(
            f"Docker's sign-in helper failed: {brief(error)}.",
            hint="Check credsStore in ~/.docker/config.json.",
        )
    if has(PermissionError):
        return EngineUnreachable(
            f"The user that runs Quazzar may not open the Docker Engine's socket ({where}).",
            hint="Add the user that runs Quazzar to the group docker (usermod -aG docker USER), then restart Quazzar.",
        )
    if has(FileNotFoundError):
        return EngineUnreachable(f"There is no Docker Engine at {where}.", hint=_INSTALL)
    if has(ssl.SSLError):
        failure = next(cause for cause in below if isinstance(cause, ssl.SSLError))
        return tls_failed(where, tlsfailures.explain(failure).reason)
    if has(socket.gaierror):
        return EngineUnreachable(
            f"The hostname of the Docker Engine ({where}) does not resolve.", hint="Check DOCKER_HOST."
        )
    if has(TimeoutError) and not connecting:
        return EngineTimeout(f"The Docker Engine at {where} took too long to answer.", hint=_BUSY)
    if has(ConnectionRefusedError, TimeoutError):
        return EngineUnreachable(f"The Docker Engine at {where} does not answer.")
    if has(ConnectionError, http.client.IncompleteRead):
        return EngineUnreachable(f"The connection to the Docker Engine at {where} was lost.")
    reasons = (cause.strerror for cause in below if isinstance(cause, OSError))
    if reason := next(filter(None, reasons), None):
        return EngineUnreachable(f"The Docker Engine at {where} cannot be used: {reason}.")
    if has(http.client.HTTPException, json.JSONDecodeError, LookupError, TypeError):
        return EngineUnreachable(
            f"The program that answers at {where} is not a Docker Engine.", hint="Check DOCKER_HOST."
        )
    # docker-py's own sentence, such as that it lacks a package for this kind of address.
    return EngineUnreachable(f"The Docker Engine at {where} cannot be used: {brief(below[0])}.")


def tls_failed(where: str, reason: object) -> EngineUnreachable:
    """The error for a TLS handshake that failed, or for certificate files that cannot be used."""
    return EngineUnreachable(
        f"TLS with the Docker Engine at {where} failed: {brief(reason)}.",
        hint="Check DOCKER_CERT_PATH (ca.pem, cert.pem, key.pem) and DOCKER_TLS_VERIFY.",
    )


class Refused(StackError):
    """The Engine answered with an HTTP error.

    Attributes:
        status: HTTP status.
        text: the Engine's message.
    """

    def __init__(self, act: str, status: int, text: str) -> None:
        self.status = status
        self.text = text
        super().__init__(f"Docker refused to {act}: {brief(text)}.")


@contextmanager
def absent_is_fine() -> Iterator[None]:
    """Ignores a 404: the object may be gone already."""
    try:
        yield
    except Refused as exc:
        if exc.status != 404:
            raise


@contextmanager
def absent_is_an_error(name: str) -> Iterator[None]:
    """Turns a 404 into an error that says whether the container is missing, or something that it needs.

    Raises:
        NotThere: the Engine answered 404.
    """
    try:
        yield
    except Refused as exc:
        if exc.status != 404:
            raise
        if name in exc.text or "container" in exc.text:
            raise NotThere(f"There is no container {name}.", hint=_NEXT_CHECK) from exc
        raise NotThere(
            f"The container {name} lacks something it needs: {brief(exc.text)}.", hint=_NEXT_CHECK
        ) from exc


@contextmanager
def must_run(name: str) -> Iterator[None]:
    """Turns a 409 into an error that says that the container is not running.

    Raises:
        NotRunning: the Engine answered 409.
    """
    try:
        yield
    except Refused as exc:
        if exc.status != 409:
            raise
        raise NotRunning(f"The container {name} is not running.", hint=f"Run docker logs {name}.") from exc


def check_ours(
    kind: str, name: str, labels: Mapping[str, str] | None, wanted: Mapping[str, str] | None = None
) -> None:
    """Checks the project label of something that exists.

    Args:
        wanted: the labels that it should have. Without them its name decides, which begins with its project.

    Raises:
        NameTaken: it does not belong to us.
    """
    project = (labels or {}).get(PROJECT_LABEL)
    if wanted is not None:
        is_ours = project == wanted.get(PROJECT_LABEL)
    else:
        is_ours = bool(project) and (name == project or name.startswith(f"{project}-"))
    if project is None or not is_ours:
        raise name_taken(kind, name)


def check_our_volume(
    name: str, labels: Mapping[str, str] | None, wanted: Mapping[str, str] | None = None
) -> None:
    """As ``check_ours``, but a volume of our name without any label is ours, too.

    Such a volume was restored from a backup: labels cannot be added to an existing volume.

    Raises:
        NameTaken: it has labels, and they are someone else's.
    """
    if labels:
        check_ours("volume", name, labels, wanted)


def name_taken(kind: str, name: str) -> NameTaken:
    """The error for a container, network or volume whose name is in use by something else."""
    advice = "rename it if you need it, otherwise remove it."
    if kind == "volume":
        advice = (
            "if it holds mail that belongs to the stack, copy the mail into a volume without labels "
            "(docs/mailboxes.md, Back up and restore)."
        )
    return NameTaken(
        f"A {kind} named {name} already exists and does not belong to this stack.",
        hint=(
            f"Inspect it with docker {kind} inspect {name}; {advice} If you set another "
            "QUAZZAR_STACK_PROJECT instead, the stack starts without the mail stored under this one."
        ),
    )


def command_timeout(program: str, name: str, seconds: float) -> EngineTimeout:
    """The error for a command that did not end in time."""
    return EngineTimeout(f"{program} in {name} took longer than {seconds:.0f} seconds.", hint=_BUSY)


def network_in_use(name: str, containers: Sequence[str]) -> NetworkInUse:
    """The error for a network that cannot be removed because containers are connected to it."""
    return NetworkInUse(
        f"The network {name} is still in use by {', '.join(containers)}.",
        hint=(
            f"Disconnect every container that is not part of the stack (docker network disconnect {name} "
            "CONTAINER)."
        ),
    )


def connection_cut(where: str, name: str) -> EngineUnreachable:
    """The error for a connection that was lost while a command ran."""
    return EngineUnreachable(
        f"The connection to the Docker Engine at {where} was lost while a command ran in {name}."
    )


def command_failed(what: str, name: str, result: Result) -> CommandFailed:
    """The error for a command that had to succeed; its sentence ends with the last line of the output."""
    lines = (result.stderr.strip() or result.stdout.strip()).decode(errors="replace").splitlines()
    return CommandFailed(
        f"{what} in {name} failed (exit {result.exit_code}): {brief(lines[-1]) if lines else 'no message'}.",
        exit_code=result.exit_code,
        hint=f"Run docker logs {name}.",
    )


def port_in_use(text: str) -> int | None:
    """The port that the Engine's message reports as in use; 0 if it does not say which, None if it is about
    something else."""
    if not any(phrase in text for phrase in _PORT_IN_USE):
        return None
    port = _PORT.search(text + " ")
    return int(port.group(1)) if port else 0


def port_taken(number: int, name: str, holder: str) -> PortTaken:
    """The error for a container that cannot start because its port is in use.

    Args:
        number: the port; 0 if it is not known.
        name: the container that cannot start.
        holder: the container that publishes the port, or empty.
    """
    port = f"Port {number}" if number else "A port"
    by = f" by the container {holder}" if holder else ""
    way = ""
    if holder:
        way = f" (docker stop {holder})"
    elif number:
        way = f" (ss -ltnp 'sport = :{number}' shows it)"
    return PortTaken(
        f"{port} is already in use{by}, so {name} cannot start.",
        hint=f"Stop that program{way}, or set QUAZZAR_STACK_PORT_OFFSET.",
    )


def image_unavailable(ref: str, text: object) -> ImageUnavailable:
    """The error for an image that cannot be fetched, with a hint that fits the Engine's reason."""
    reason = brief(text)
    return ImageUnavailable(f"The image {ref} cannot be fetched: {reason}.", hint=_image_hint(reason.lower()))


def _image_hint(reason: str) -> str:
    if "no space left" in reason:
        return "Free some disk space where Docker keeps its data, and try again."
    if "toomanyrequests" in reason or "rate limit" in reason:
        return "You have reached the registry's limit. Wait, or sign in with docker login."
    if any(
        word in reason
        for word in ("not found", "denied", "unauthorized", "manifest unknown", "invalid reference")
    ):
        return "Check the name in the QUAZZAR_IMAGE_ settings. A private image needs docker login."
    return (
        "Check that Docker can reach the registry, or copy the image here with docker save and docker load."
    )


def brief(text: object) -> str:
    """The text on one line, without credentials and a final full stop, cut after 300 characters."""
    line = _CREDENTIALS.sub("://", " ".join(str(text).split())).rstrip(".")
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"
