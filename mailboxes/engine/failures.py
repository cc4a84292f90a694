"""What went wrong at the Docker Engine → a typed error with a sentence and a hint. Pure."""

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
    NotRunning,
    NotThere,
    PortTaken,
    StackError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mailboxes.engine.values import Result

#: The port in what the engine says when it cannot publish one; the wording differs between its versions.
_PORT = re.compile(r"(?:Bind for|listen \w+|failed to bind host port(?: for)?) \S*?:(\d+)[\s:/]")
_TAKEN = ("address already in use", "port is already allocated")
_LONGEST = 300
#: What somebody may have put before the @ of an address.
_CREDENTIALS = re.compile(r"://[^/@\s]+@")
_INSTALL = "Install and start Docker, or set DOCKER_HOST."
_PATIENCE = "The machine may be busy; it is tried again by itself."
_AGAIN = "The stack's next check makes it again."


def causes(error: BaseException) -> Iterator[BaseException]:
    """The exception and everything below it; the libraries hide the system's own one in different places."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop(0)
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]


def lost(error: BaseException, where: str, *, connecting: bool = False) -> StackError:
    """The engine could not be asked, or did not answer."""
    below = list(causes(error))

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(each, kinds) for each in below)

    if "redentials store" in str(error):
        return StackError(
            f"Docker's sign-in helper failed: {brief(error)}.",
            hint="Check credsStore in ~/.docker/config.json.",
        )
    if has(PermissionError):
        return EngineUnreachable(
            f"The Docker Engine's socket ({where}) may not be opened by this user.",
            hint="Add the user that runs Quazzar to the group docker (usermod -aG docker USER), then restart Quazzar.",
        )
    if has(FileNotFoundError):
        return EngineUnreachable(
            f"There is no Docker Engine at {where}.", hint="Install and start Docker, or set DOCKER_HOST."
        )
    if has(ssl.SSLError):
        failure = next(each for each in below if isinstance(each, ssl.SSLError))
        return no_tls(where, tlsfailures.explain(failure).reason)
    if has(socket.gaierror):
        return EngineUnreachable(
            f"The host of the Docker Engine ({where}) is not known.", hint="Check DOCKER_HOST."
        )
    if has(TimeoutError) and not connecting:
        return EngineTimeout(
            f"The Docker Engine at {where} took too long to answer.",
            hint="It may be busy; it is tried again by itself.",
        )
    if has(ConnectionRefusedError, TimeoutError):
        return EngineUnreachable(f"The Docker Engine at {where} does not answer.")
    if has(ConnectionError, http.client.IncompleteRead):
        return EngineUnreachable(f"The connection to the Docker Engine at {where} broke off.")
    if reason := next((each.strerror for each in below if isinstance(each, OSError) and each.strerror), None):
        return EngineUnreachable(f"The Docker Engine at {where} cannot be used: {reason}.")
    if has(http.client.HTTPException, json.JSONDecodeError, LookupError, TypeError):
        return EngineUnreachable(
            f"What answers at {where} is not a Docker Engine.", hint="Check DOCKER_HOST."
        )
    # docker-py's own sentence, such as that it lacks a package for this kind of address.
    return EngineUnreachable(f"The Docker Engine at {where} cannot be used: {brief(below[0])}.")


def no_tls(where: str, reason: object) -> EngineUnreachable:
    """The two sides do not accept each other."""
    return EngineUnreachable(
        f"TLS with the Docker Engine at {where} failed: {brief(reason)}.",
        hint="Check DOCKER_CERT_PATH (ca.pem, cert.pem, key.pem) and DOCKER_TLS_VERIFY.",
    )


class Refused(StackError):
    """The engine answered, and would not.

    Attributes:
        status: of its HTTP answer.
        text: what it said.
    """

    def __init__(self, act: str, status: int, text: str) -> None:
        self.status = status
        self.text = text
        super().__init__(f"Docker would not {act}: {brief(text)}.")


@contextmanager
def absent_is_fine() -> Iterator[None]:
    """For what should be gone, or may be."""
    try:
        yield
    except Refused as exc:
        if exc.status != 404:
            raise


@contextmanager
def absent_is_an_error(name: str) -> Iterator[None]:
    """For a container that must be there.

    Raises:
        NotThere: it is not.
    """
    try:
        yield
    except Refused as exc:
        if exc.status != 404:
            raise
        if name in exc.text or "container" in exc.text:
            raise NotThere(f"There is no container {name}.", hint=_AGAIN) from exc
        raise NotThere(f"{name} lacks what it needs: {brief(exc.text)}.", hint=_AGAIN) from exc


@contextmanager
def must_run(name: str) -> Iterator[None]:
    """For a container that must run.

    Raises:
        NotRunning: it does not.
    """
    try:
        yield
    except Refused as exc:
        if exc.status != 409:
            raise
        raise NotRunning(f"The container {name} does not run.", hint=f"See docker logs {name}.") from exc


def check_ours(
    kind: str, name: str, found: Mapping[str, str] | None, wanted: Mapping[str, str] | None = None
) -> None:
    """Compares the label that says whose a thing is; without ``wanted`` any project of ours will do.

    Raises:
        NameTaken: it is not ours.
    """
    project = (found or {}).get(PROJECT_LABEL)
    if project is None or (wanted is not None and project != wanted.get(PROJECT_LABEL)):
        raise name_taken(kind, name)


def name_taken(kind: str, name: str) -> NameTaken:
    """Somebody else's thing has the name."""
    return NameTaken(
        f"There is a {kind} {name} already, and it is not part of this stack.",
        hint=f"Look at it with docker {kind} inspect {name}; remove it, or set QUAZZAR_STACK_PROJECT.",
    )


def too_long(program: str, name: str, seconds: float) -> EngineTimeout:
    """A command in a container is not done."""
    return EngineTimeout(
        f"{program} in {name} took longer than {seconds:.0f} seconds.", hint="It is tried again by itself."
    )


def cut(where: str, name: str) -> EngineUnreachable:
    """The connection ended while a command ran."""
    return EngineUnreachable(
        f"The connection to the Docker Engine at {where} was cut while a command ran in {name}."
    )


def command(what: str, name: str, result: Result) -> CommandFailed:
    """A command that had to succeed did not. Of what it said, the last line is shown."""
    said = (result.stderr.strip() or result.stdout.strip()).decode(errors="replace").splitlines()
    return CommandFailed(
        f"{what} in {name} failed (exit {result.exit_code}): {brief(said[-1]) if said else 'no message'}.",
        exit_code=result.exit_code,
        hint=f"See docker logs {name}.",
    )


def port(text: str) -> int | None:
    """The port that is taken, if that is what the engine's text says; 0 when it does not say which."""
    if not any(each in text for each in _TAKEN):
        return None
    found = _PORT.search(text + " ")
    return int(found.group(1)) if found else 0


def port_taken(number: int, name: str, holder: str) -> PortTaken:
    """``holder``: the container that publishes it, or empty."""
    which = f"Port {number}" if number else "A port"
    by = f" by the container {holder}" if holder else ""
    what = (
        f"docker stop {holder}"
        if holder
        else f"ss -ltnp 'sport = :{number}' shows what it is"
        if number
        else ""
    )
    return PortTaken(
        f"{which} is in use already{by}, so {name} cannot start.",
        hint=f"Stop what uses it{f' ({what})' if what else ''}, or set QUAZZAR_STACK_PORT_OFFSET.",
    )


def image(ref: str, text: object) -> ImageUnavailable:
    """The image cannot be fetched."""
    reason = brief(text)
    return ImageUnavailable(f"The image {ref} cannot be fetched: {reason}.", hint=_image_hint(reason.lower()))


def _image_hint(reason: str) -> str:
    if "no space left" in reason:
        return "Free some disk space where Docker keeps its data, and try again."
    if "toomanyrequests" in reason or "rate limit" in reason:
        return "The registry's limit is reached: wait, or sign in with docker login."
    if any(
        word in reason
        for word in ("not found", "denied", "unauthorized", "manifest unknown", "invalid reference")
    ):
        return "Check the name in the QUAZZAR_IMAGE_ settings; a private image needs docker login."
    return "Check that Docker reaches the registry, or bring the image by docker save and docker load."


def brief(text: object) -> str:
    """On one line, and not too long."""
    line = _CREDENTIALS.sub("://", " ".join(str(text).split())).rstrip(".")
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"
